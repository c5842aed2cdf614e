/* Sends requests to the daemon, or to the keychain itself, and reports how long each answer took; called by daemon.py and run.
 *
 * It is a program of its own for two reasons: an interpreter takes longer than what is measured, and only a binary can be
 * registered with the daemon. One thread serves all connections, so that the clients do not compete for the processors
 * with what they measure.
 *
 * usage: load daemon SOCKET CLIENTS REQUESTS LINE FIRST-LINE
 *        load keychain SOCKET-OF-THE-BUS CLIENTS REQUESTS SERVICE ACCOUNT
 * Each of CLIENTS connections sends REQUESTS requests one after another, each after the answer to the one before. A first
 * request is not counted: after FIRST-LINE the daemon has identified the client, and after the first lookup the keychain
 * has opened a session. A lookup in the keychain is what a program without Ringlet does: SearchItems for the two
 * attributes, then GetSecret of the item, in a plain session that stays open.
 *
 * Prints JSON: the seconds from the first request to the last answer, the bytes of the last answer, and the nanoseconds of
 * every request. The status is 1 if an answer is malformed or is not a success.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MOST_CLIENTS = 1024, OUT = 1 << 16 };

/* What a connection waits for. A connection to the daemon only ever waits for LOOKUP. */
enum step { AUTH, HELLO, FIRST, SESSION, LOOKUP, SECRET };

struct client {
    int fd;
    enum step step;
    long asked;
    long long since;
    char *in;
    size_t have, room;
    uint32_t serial;
    char session[256];
};

static char out[OUT];
static size_t out_length;
static const char *line, *service, *account;
static size_t answer_bytes;

static void fail(const char *what) {
    fprintf(stderr, "load: %s (%s)\n", what, errno ? strerror(errno) : "unexpected");
    exit(1);
}

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int dial(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        fail("the socket's path is too long");
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
        fail(path);
    return fd;
}

static void deliver(struct client *client) {
    for (size_t sent = 0; sent < out_length;) {
        ssize_t count = send(client->fd, out + sent, out_length - sent, MSG_NOSIGNAL);
        if (count < 0)
            fail("sending");
        sent += count;
    }
    out_length = 0;
}

/* --- D-Bus, little endian; see the "Message Protocol" of its specification ------------------------------------------- */

static void raw(const void *bytes, size_t length) {
    if (out_length + length > OUT)
        fail("a message is too long");
    memcpy(out + out_length, bytes, length);
    out_length += length;
}

static void pad(size_t to) {
    while (out_length % to)
        raw("", 1);
}

static void number(uint32_t value) {
    pad(4);
    raw(&value, 4);
}

static void text(const char *value) {
    number(strlen(value));
    raw(value, strlen(value) + 1);
}

static void signature(const char *value) {
    char length = strlen(value);
    raw(&length, 1);
    raw(value, length + 1);
}

static void field(char code, char type, const char *value) {
    pad(8);
    raw(&code, 1);
    signature((char[]){type, 0});
    if (type == 'g')
        signature(value);
    else
        text(value);
}

/* Begins a message in the empty buffer. `finish` fills in the length and sends it. */
static size_t begin(struct client *client, const char *to, const char *path, const char *interface, const char *member, const char *types) {
    uint32_t none = 0;
    raw("l\1\0\1", 4);
    raw(&none, 4);
    number(++client->serial);
    number(0);
    field(1, 'o', path);
    field(2, 's', interface);
    field(3, 's', member);
    field(6, 's', to);
    if (*types)
        field(8, 'g', types);
    uint32_t fields = out_length - 16;
    memcpy(out + 12, &fields, 4);
    pad(8);
    return out_length;
}

static void finish(struct client *client, size_t body) {
    uint32_t length = out_length - body;
    memcpy(out + 4, &length, 4);
    deliver(client);
}

#define SECRETS "org.freedesktop.secrets"
#define ROOT "/org/freedesktop/secrets"

static void ask_search(struct client *client) {
    size_t body = begin(client, SECRETS, ROOT, "org.freedesktop.Secret.Service", "SearchItems", "a{ss}");
    number(0);
    size_t at = out_length - 4;
    pad(8);
    size_t first = out_length;
    text("service");
    text(service);
    pad(8);
    text("username");
    text(account);
    uint32_t length = out_length - first;
    memcpy(out + at, &length, 4);
    finish(client, body);
}

static void ask_session(struct client *client) {
    size_t body = begin(client, SECRETS, ROOT, "org.freedesktop.Secret.Service", "OpenSession", "sv");
    text("plain");
    signature("s");
    text("");
    finish(client, body);
}

static void ask_secret(struct client *client, const char *item) {
    size_t body = begin(client, SECRETS, item, "org.freedesktop.Secret.Item", "GetSecret", "o");
    text(client->session);
    finish(client, body);
}

static uint32_t read_number(const char *at) {
    uint32_t value;
    memcpy(&value, at, 4);
    return value;
}

/* The length of the message at the beginning of the received bytes, or 0 while a part of it is missing. */
static size_t message(struct client *client, size_t *body) {
    if (client->have < 16)
        return 0;
    *body = 16 + ((read_number(client->in + 12) + 7) & ~(size_t)7);
    size_t whole = *body + read_number(client->in + 4);
    return client->have < whole ? 0 : whole;
}

/* --- Connections ---------------------------------------------------------------------------------------------------- */

static void ask(struct client *client) {
    client->since = now();
    client->step = LOOKUP;
    if (service) {
        ask_search(client);
    } else {
        raw(line, strlen(line));
        raw("\n", 1);
        deliver(client);
    }
}

static void begin_conversation(struct client *client) {
    if (!service)
        return ask(client);
    client->step = AUTH;
    raw("\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n", 29);
    deliver(client);
}

static void consume(struct client *client, size_t bytes) {
    memmove(client->in, client->in + bytes, client->have - bytes);
    client->have -= bytes;
}

/* Returns 1 if the received bytes are a whole answer of the daemon. */
static int daemon_answer(struct client *client) {
    if (!client->have || client->in[client->have - 1] != '\n')
        return 0;
    if (!memmem(client->in, client->have < 80 ? client->have : 80, "\"success\",\"results\"", 19)) {
        fprintf(stderr, "load: %.*s", (int)(client->have < 400 ? client->have : 400), client->in);
        fail("the daemon refuses, or finds nothing");
    }
    answer_bytes = client->have;
    client->have = 0;
    return 1;
}

/* Returns 1 if the last step of a lookup in the keychain is done; after any other step it sends the next message. */
static int keychain_answer(struct client *client) {
    if (client->step == AUTH) {
        char *end = memmem(client->in, client->have, "OK ", 3);
        end = end ? memmem(end, client->in + client->have - end, "\r\n", 2) : NULL;
        if (!end)
            return 0;
        consume(client, end + 2 - client->in);
        client->step = HELLO;
        size_t body = begin(client, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", "");
        finish(client, body);
    }
    size_t body, whole;
    while ((whole = message(client, &body))) {
        char *reply = client->in + body;
        enum step was = client->step;
        /* A signal, such as NameAcquired. */
        if (client->in[1] == 4) {
            consume(client, whole);
            continue;
        }
        if (client->in[1] != 2)
            fail("the keychain refuses");
        char item[256] = "";
        if (was == FIRST || was == LOOKUP) {
            if (read_number(reply) < 5 || read_number(reply + 4) >= sizeof item)
                fail("the keychain does not find it");
            strcpy(item, reply + 8);
        } else if (was == SESSION) {
            /* A variant with an empty string, then the path. */
            size_t at = 3;
            at = (at + 3) & ~3;
            at += 4 + read_number(reply + at) + 1;
            at = (at + 3) & ~3;
            snprintf(client->session, sizeof client->session, "%s", reply + at + 4);
        } else if (was == SECRET) {
            answer_bytes = whole;
        }
        consume(client, whole);
        switch (was) {
        case HELLO:
            /* gnome-keyring registers a new client outside its message loop, so the first call must be a search. */
            client->step = FIRST;
            ask_search(client);
            break;
        case FIRST:
            client->step = SESSION;
            ask_session(client);
            break;
        case SESSION:
            ask(client);
            break;
        case LOOKUP:
            client->step = SECRET;
            ask_secret(client, item);
            break;
        default:
            return 1;
        }
    }
    return 0;
}

/* Lets every client send requests until it has `requests` answers. */
static void converse(struct client *all, int clients, long requests, long long *taken) {
    static struct pollfd ready[MOST_CLIENTS];
    int waiting = clients;
    long done = 0;
    for (int n = 0; n < clients; n++) {
        ready[n] = (struct pollfd){.fd = all[n].fd, .events = POLLIN};
        all[n].asked = 0;
        if (taken)
            ask(&all[n]);
        else
            begin_conversation(&all[n]);
    }
    while (waiting) {
        if (poll(ready, clients, 60000) <= 0)
            fail("no answer in a minute");
        for (int n = 0; n < clients; n++) {
            struct client *client = &all[n];
            if (!ready[n].revents)
                continue;
            if (client->room - client->have < 4096) {
                client->room = client->room ? 2 * client->room : 1 << 16;
                client->in = realloc(client->in, client->room);
            }
            ssize_t count = recv(client->fd, client->in + client->have, client->room - client->have, MSG_DONTWAIT);
            if (count <= 0)
                fail("the connection ended");
            client->have += count;
            if (!(service ? keychain_answer(client) : daemon_answer(client)))
                continue;
            if (taken)
                taken[done++] = now() - client->since;
            if (++client->asked < requests) {
                ask(client);
            } else {
                ready[n].fd = -1;
                waiting--;
            }
        }
    }
}

int main(int argc, char **argv) {
    static struct client all[MOST_CLIENTS];
    int keychain = argc == 7 && !strcmp(argv[1], "keychain");
    if (!keychain && !(argc == 7 && !strcmp(argv[1], "daemon"))) {
        fputs("usage: load daemon SOCKET CLIENTS REQUESTS LINE FIRST-LINE\n       load keychain SOCKET CLIENTS REQUESTS SERVICE ACCOUNT\n", stderr);
        return 2;
    }
    int clients = atoi(argv[3]);
    long requests = atol(argv[4]);
    if (clients < 1 || clients > MOST_CLIENTS || requests < 1)
        return 2;
    line = argv[6];
    service = keychain ? argv[5] : NULL;
    account = keychain ? argv[6] : NULL;
    long long *taken = calloc(clients * requests, sizeof *taken);
    for (int n = 0; n < clients; n++)
        all[n].fd = dial(argv[2]);
    converse(all, clients, 1, NULL);
    line = argv[5];
    long long start = now();
    converse(all, clients, requests, taken);
    long long end = now();
    printf("{\"seconds\": %.9f, \"bytes\": %zu, \"nanoseconds\": [", (end - start) / 1e9, answer_bytes);
    for (long n = 0; n < clients * requests; n++)
        printf(n ? ", %lld" : "%lld", taken[n]);
    puts("]}");
    return 0;
}
