//! Mail: SMTP, IMAP and Maildir, on the memory network.
