/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The member behind the httpd that is measured: gives every request head on
 * 127.0.0.1 (all addresses: "any") the same small answer, in one write, on connections kept for ever.
 * It costs next to nothing, so that its own noise is none of the figures.  With /login near
 * its beginning a request opens a session: the cookie S.
 *
 * Not a web server: it reads no method, else no path, and takes no body.
 *
 * Prints its port; ends by a signal.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 128, FDS = 65536, HEAD_END = 4 };

#define BODY   "It is always the same sixty-four bytes: a page that costs little"
#define HEAD   "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 64\r\n"
#define ANSWER HEAD "\r\n" BODY
#define LOGIN  HEAD "Set-Cookie: S=1F2E3D4C5B6A79881F2E3D4C5B6A7988; Path=/\r\n\r\n" BODY

_Static_assert(sizeof(BODY) == 65, "Content-Length");

/* How much of CR LF CR LF each connection has seen. */
static unsigned char seen[FDS];

static void must(int good, const char *what)
{
    if (!good) {
        perror(what);
        exit(1);
    }
}

static unsigned heads_in(const char *p, ssize_t len, unsigned char *state)
{
    unsigned n = 0;

    for (ssize_t i = 0; i < len; i++) {
        char want = *state % 2 ? '\n' : '\r';

        *state = p[i] == want ? *state + 1 : p[i] == '\r';
        if (*state == HEAD_END) {
            *state = 0;
            n++;
        }
    }
    return n;
}

static void serve(int fd)
{
    char buf[16384];
    ssize_t len = read(fd, buf, sizeof(buf));
    int opens;

    if (len <= 0) {
        close(fd);
        return;
    }
    opens = memmem(buf, (size_t)(len < 64 ? len : 64), "/login", 6) != NULL;
    for (unsigned n = heads_in(buf, len, &seen[fd]); n; n--) {
        const char *answer = opens ? LOGIN : ANSWER;

        if (write(fd, answer, strlen(answer)) != (ssize_t)strlen(answer)) {
            close(fd); /* a client that does not read */
            return;
        }
    }
}

static void watch(int ep, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

    must(!epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), "epoll_ctl");
}

static void take(int ep, int listener)
{
    int one = 1;
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        return;
    }
    if (fd >= FDS) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    seen[fd] = 0;
    watch(ep, fd);
}

static int open_listener(in_addr_t address)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    must(fd >= 0, "socket");
    must(!bind(fd, (struct sockaddr *)&a, sizeof(a)), "bind");
    must(!listen(fd, 4096), "listen");
    must(!getsockname(fd, (struct sockaddr *)&a, &len), "getsockname");
    printf("%u\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    /* "any": many members, one address of 127.0.0.0/8 each */
    int any = argc > 1 && !strcmp(argv[1], "any");
    int listener = open_listener(any ? INADDR_ANY : INADDR_LOOPBACK);
    int ep = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event[EVENTS];

    must(ep >= 0, "epoll_create1");
    watch(ep, listener);
    for (;;) {
        int n = epoll_wait(ep, event, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            if (event[i].data.fd == listener) {
                take(ep, listener);
            } else {
                serve(event[i].data.fd);
            }
        }
    }
}
