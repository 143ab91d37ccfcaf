// Kernel interfaces that Swift's Glibc module lacks. Header-only: everything here is a declaration, a constant or a
// function of a few lines around a macro of C. Only the target LinuxNet imports it.
#ifndef SYNCGATE_CLINUXNET_H
#define SYNCGATE_CLINUXNET_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <sys/mman.h>

// Constants whose own header cannot be included beside the C library's, or that are newer than some of them.
enum {
    CLINUXNET_IFF_LOWER_UP = 1 << 16,            // linux/if.h: the link has a carrier
    CLINUXNET_DEVCONF_PROMOTE_SECONDARIES = 20,  // linux/ip.h: IPV4_DEVCONF_PROMOTE_SECONDARIES
    CLINUXNET_MCL_ONFAULT = 4,                   // sys/mman.h: lock pages when they are touched first
    CLINUXNET_SO_BINDTOIFINDEX = 62,             // asm-generic/socket.h, Linux 5.1
    CLINUXNET_SK_MEMINFO_DROPS = 8,              // linux/sock_diag.h: index into the answer of SO_MEMINFO
    CLINUXNET_SK_MEMINFO_VARS = 9,
};

// The C library shows these to programs compiled with _GNU_SOURCE alone, which Swift's importer does not define.
struct clinuxnet_mmsghdr {
    struct msghdr msg_hdr;
    unsigned int msg_len;
};
int clinuxnet_recvmmsg(int, struct clinuxnet_mmsghdr *, unsigned int, int, struct timespec *) __asm__("recvmmsg");

struct clinuxnet_in6_pktinfo {
    struct in6_addr ipi6_addr;
    unsigned int ipi6_ifindex;
};

// Sends one datagram with one control message, which `info` is the content of. Returns what sendmsg(2) returns.
static inline ssize_t clinuxnet_send(
    int fd, const void *bytes, size_t count, const void *address, socklen_t address_length, int level, int type,
    const void *info, size_t info_length) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(64)];
    } control;
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
    struct msghdr message = {
        .msg_name = (void *)address, .msg_namelen = address_length, .msg_iov = &part, .msg_iovlen = 1,
        .msg_control = &control, .msg_controllen = CMSG_SPACE(info_length)};
    if (info_length > 64) return -1;
    memset(&control, 0, sizeof control);
    control.header.cmsg_level = level;
    control.header.cmsg_type = type;
    control.header.cmsg_len = CMSG_LEN(info_length);
    memcpy(CMSG_DATA(&control.header), info, info_length);
    return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

// Copies the content of the first control message of this kind, `length` bytes, and returns 1; 0 where there is none.
static inline int clinuxnet_control(const struct msghdr *message, int level, int type, void *content, size_t length) {
    struct cmsghdr *header;
    for (header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR((struct msghdr *)message, header)) {
        if (header->cmsg_level != level || header->cmsg_type != type) continue;
        if (header->cmsg_len < CMSG_LEN(length)) return 0;
        memcpy(content, CMSG_DATA(header), length);
        return 1;
    }
    return 0;
}

// Attaches a filter (classic BPF) to a socket. Returns what setsockopt(2) returns.
static inline int clinuxnet_attach_filter(int fd, const struct sock_filter *filter, unsigned short count) {
    struct sock_fprog program = {.len = count, .filter = (struct sock_filter *)filter};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

// Where the code of the running executable begins and ends, by the linker.
extern const char __executable_start[], etext[];

// Has the kernel forget which pages of that code the process has used; the next use maps them again. Returns what madvise(2)
// returns.
static inline int clinuxnet_release_text(size_t page) {
    uintptr_t from = ((uintptr_t)__executable_start + page - 1) / page * page;
    uintptr_t to = (uintptr_t)etext / page * page;
    return from < to ? madvise((void *)from, to - from, MADV_DONTNEED) : 0;
}

#endif
