//! Mail for [`reactor`]: SMTP receiver and sender, IMAP server and client, Maildir.
