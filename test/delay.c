/*
 * delay.c
 *    Preloaded into a test server by LD_PRELOAD, it delays what the server's processes do, at random: their start and
 *    end, messages, signals, and waking up.  A test that assumes an order of events which is only usual fails then.
 *
 * DL_DELAY is the longest delay in milliseconds; that of a process that its client has left is eight times as long.
 * Other programs, psql among them, are left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ONE_IN 50				/* calls that are delayed */
#define ORIGINAL(name) ((__typeof__(name) *) dlsym(RTLD_NEXT, #name))

static int	longest;			/* 0: this is no server */
static unsigned long long state;	/* of the generator; 0: not seeded */

/* xorshift64 (Marsaglia, 2003) */
static unsigned
next_random(void)
{
	if (state == 0)
	{
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		state = (unsigned long long) now.tv_nsec * 2654435761ULL + (unsigned long long) getpid();
	}
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned) (state >> 20);
}

static void
wait_up_to(int milliseconds)
{
	int			error = errno;
	int			chosen = milliseconds > 0 ? 1 + (int) (next_random() % (unsigned) milliseconds) : 0;
	struct timespec time = {chosen / 1000, chosen % 1000 * 1000000L};

	nanosleep(&time, NULL);
	errno = error;
}

static void
perhaps_wait(void)
{
	if (longest > 0 && next_random() % ONE_IN == 0)
		wait_up_to(longest);
}

__attribute__((constructor)) static void
find_out(void)
{
	const char *setting = getenv("DL_DELAY");
	char		name[32] = "";
	FILE	   *file = fopen("/proc/self/comm", "r");

	if (file == NULL)
		return;
	if (fgets(name, sizeof(name), file) != NULL && strcmp(name, "postgres\n") == 0 && setting != NULL)
		longest = atoi(setting);
	fclose(file);
}

/* The client is gone, or says goodbye. */
ssize_t
recv(int socket, void *buffer, size_t length, int flags)
{
	static const char goodbye[5] = {'X', 0, 0, 0, 4};
	ssize_t		count = ORIGINAL(recv) (socket, buffer, length, flags);
	const char *end = (const char *) buffer + count;

	if (count == 0 || (count >= 5 && memcmp(end - 5, goodbye, 5) == 0))
		wait_up_to(8 * longest);
	else
		perhaps_wait();
	return count;
}

ssize_t
send(int socket, const void *buffer, size_t length, int flags)
{
	ssize_t		count;

	perhaps_wait();
	count = ORIGINAL(send) (socket, buffer, length, flags);
	perhaps_wait();
	return count;
}

int
epoll_wait(int set, struct epoll_event *events, int room, int timeout)
{
	int			count = ORIGINAL(epoll_wait) (set, events, room, timeout);

	perhaps_wait();
	return count;
}

int
kill(pid_t process, int signal)
{
	int			result;

	perhaps_wait();
	result = ORIGINAL(kill) (process, signal);
	perhaps_wait();
	return result;
}

pid_t
fork(void)
{
	pid_t		child = ORIGINAL(fork) ();

	if (child == 0)
	{
		state = 0;
		wait_up_to(3 * longest);
	}
	return child;
}

int
fdatasync(int file)
{
	perhaps_wait();
	return ORIGINAL(fdatasync) (file);
}

int
unlink(const char *path)
{
	perhaps_wait();
	return ORIGINAL(unlink) (path);
}
