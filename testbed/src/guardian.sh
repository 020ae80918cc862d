# Waits until the process that started it is gone, then ends what that process left running in the folder $1 and
# removes the folder. Standard input: a line "SIGNAL PID" for each process group started there.
trap '' HUP INT QUIT TERM
folder=$1

# Whether process $1 works inside the folder: by now its number may belong to somebody else. False for a zombie.
is_ours() {
    case "$(readlink "/proc/$1/cwd")" in
        "$folder" | "$folder"/*) return 0 ;;
        *) return 1 ;;
    esac
}

started=
while read -r signal pid; do
    started="$signal:$pid $started" # the last first: a node before the daemon that it would start again
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
rm -rf -- "$folder"
