// hiredis as installed by the distribution (Debian and Ubuntu: libhiredis-dev, 0.14 or newer).
//
// Only the protocol codec is used: redisFormatCommandArgv writes commands, redisReader parses replies. Sockets,
// time-outs and TLS belong to swift-nio (DESIGN section 6); hiredis 0.14 can do neither time-outs on asynchronous
// connections nor TLS. RedisClient is the one target that may import this module.
#ifndef SYNCGATE_CHIREDIS_SHIM_H
#define SYNCGATE_CHIREDIS_SHIM_H

#include <hiredis/hiredis.h>

#endif
