//! A private RabbitMQ, and what a test does to the queues of any RabbitMQ.

#[cfg(feature = "queues")]
mod amqp;
mod cluster;
mod node;
mod server;

#[cfg(feature = "queues")]
pub use self::amqp::{
    Message, consumer_count, delete_queue, get_message, message_count, on_channel, publish,
    publish_copies,
};
pub use self::{
    cluster::cluster,
    node::installed,
    server::{Options, Server},
};
