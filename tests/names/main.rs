//! DNS: resolver and server, on the memory network.

mod message;
