/* Starts commands in turn and reports how long each took; called by run and peers.
 *
 * It is a small program of its own for two reasons: posix_spawn from a large interpreter takes longer than the programs
 * that are measured, and the peak memory that wait4 reports for a child is never less than its parent's at the start.
 *
 * usage: timer ROUNDS FILE
 * FILE holds NUL-terminated strings. For each command they are: working directory, number of arguments, the arguments (the
 * first is the program's path), number of variables, the variables as NAME=value.
 *
 * Prints a line for each start: the command's number from 0, nanoseconds from before the spawn to after the wait, peak
 * memory in KiB, nanoseconds of processor time in the program, and the same in the kernel. The status is 1 if a command
 * fails.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 64, WARM_UP = 5 };

struct command {
    char *folder, **arguments, **variables;
};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static char *next(char **at, char *end) {
    char *text = *at;
    if (text >= end) {
        fputs("timer: the file ends too early\n", stderr);
        exit(1);
    }
    *at += strlen(text) + 1;
    return text;
}

static char **list(char **at, char *end) {
    long count = atol(next(at, end));
    char **all = calloc(count + 1, sizeof *all);
    for (long i = 0; i < count; i++)
        all[i] = next(at, end);
    return all;
}

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long long nanoseconds(struct timeval time) {
    return time.tv_sec * 1000000000LL + time.tv_usec * 1000LL;
}

int main(int argc, char **argv) {
    static char text[1 << 20];
    static struct command commands[MOST];
    int count = 0, rounds = argc == 3 ? atoi(argv[1]) : 0;
    int file = argc == 3 ? open(argv[2], O_RDONLY | O_CLOEXEC) : -1;
    ssize_t size = read(file, text, sizeof text - 1);
    if (size <= 0)
        fail("timer: the list of commands");
    for (char *at = text; at < text + size && count < MOST; count++) {
        commands[count].folder = next(&at, text + size);
        commands[count].arguments = list(&at, text + size);
        commands[count].variables = list(&at, text + size);
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    for (int round = -WARM_UP; round < rounds; round++) {
        /* Each round begins with another command, and every second round goes backwards, so that no command always follows
         * the same one. */
        for (int step = 0; step < count; step++) {
            int turn = round + WARM_UP, which = (turn + (turn % 2 ? count - 1 - step : step)) % count;
            struct command *command = &commands[which];
            if (chdir(command->folder))
                fail(command->folder);
            struct rusage used;
            pid_t child;
            int status;
            long long start = now();
            int error = posix_spawn(&child, command->arguments[0], &actions, NULL, command->arguments, command->variables);
            if (error) {
                fprintf(stderr, "timer: %s: %s\n", command->arguments[0], strerror(error));
                return 1;
            }
            if (wait4(child, &status, 0, &used) != child)
                fail("timer: wait4");
            long long end = now();
            if (status) {
                fprintf(stderr, "timer: command %d (%s) ended with status %#x\n", which, command->arguments[0], status);
                return 1;
            }
            if (round >= 0)
                printf("%d %lld %ld %lld %lld\n", which, end - start, used.ru_maxrss, nanoseconds(used.ru_utime),
                       nanoseconds(used.ru_stime));
        }
    }
    return 0;
}
