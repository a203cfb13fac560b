//! DNS for [`reactor`]: a resolver with a cache, and a server for zones, forwarding, and answers
//! of your own.
