# Waits until the process that started it is gone, then ends what that process left running in the folder $1 and
# removes the folder. Standard input: a line "SIGNAL PID" for each process group started there.
trap '' HUP INT QUIT TERM
folder=$1

# Whether process $1 works inside the folder: by now its number may belong to somebody else. False for a zombie.
is_ours() {
    case "$(readlink "/proc/$1/cwd")" in
        "$folder" | "$folder (deleted)" | "$folder"/*) return 0 ;;
        *) return 1 ;;
    esac
}

started=
may_be_untold=yes
while read -r signal pid; do
    case "$signal" in
        all) may_be_untold= ;; # "all told": it ends in order
        *) started="$signal:$pid $started" ;; # the last first: a node before the daemon that it would start again
    esac
done

for entry in $started; do
    pid=${entry#*:}
    if is_ours "$pid"; then kill -s "${entry%:*}" -- "-$pid"; fi
done
for entry in $started; do
    pid=${entry#*:}
    tries=100
    while is_ours "$pid" && [ "$tries" -gt 0 ]; do
        sleep 0.05
        tries=$((tries - 1))
    done
    if is_ours "$pid"; then kill -s 9 -- "-$pid"; fi
done

# Whoever was killed between starting a process and telling of it has not told of it.
end_untold() {
    for entry in /proc/[0-9]*; do
        pid=${entry#/proc/}
        if is_ours "$pid"; then kill -s 9 -- "$pid"; fi
    done
}
if [ "$may_be_untold" ]; then end_untold; fi
rm -rf -- "$folder"
if [ "$may_be_untold" ]; then
    # One that had not come to its folder by then has now.
    sleep 0.2
    end_untold
fi
