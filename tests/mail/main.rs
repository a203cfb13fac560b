//! Mail: SMTP, and the framing of IMAP, on the memory network.

mod folder;
mod imap_client;
mod imap_client_flow;
mod imap_client_hostile;
mod imap_client_peers;
mod imap_client_tls;
mod imap_framing;
mod imap_responses;
mod imap_script;
mod maildir;
mod maildir_delivery;
mod maildir_store;
mod memory_mail;
mod mx;
mod queue;
mod script;
mod smtp_client;
mod smtp_framing;
mod smtp_limits;
mod smtp_login;
mod smtp_peers;
mod smtp_receiver;
mod smtp_sender;
mod smtp_servers;
mod smtp_submission;
mod support;
