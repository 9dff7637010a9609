/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program in the image that `sampan up` deploys: a web server that greets with the name of its pod. One
 * static executable, which needs nothing of its root filesystem. Arguments: the port (8080) and the address
 * to listen at (any).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define REQUEST_BYTES_MAX 8192
#define PATIENCE_S 5

static void on_term(int signal)
{
	(void)signal;
	_exit(0); /* process 1 of a container: nothing ends it by default */
}

/* Up to the blank line, or as much as there is room for. False: the client went away or is slow. */
static bool read_head(int fd)
{
	char text[REQUEST_BYTES_MAX + 1];
	size_t n = 0;
	while (n < REQUEST_BYTES_MAX) {
		ssize_t got = read(fd, text + n, REQUEST_BYTES_MAX - n);
		if (got <= 0)
			return false;
		n += (size_t)got;
		text[n] = '\0';
		if (strstr(text, "\r\n\r\n") != NULL)
			return true;
	}
	return false;
}

static void greet(int fd)
{
	char host[256] = "", body[512], answer[1024];
	(void)gethostname(host, sizeof host - 1);
	int n_body = snprintf(body, sizeof body, "hello from %s\n", host);
	int n = snprintf(answer, sizeof answer,
			 "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n"
			 "connection: close\r\n\r\n%s",
			 n_body, body);
	(void)!write(fd, answer, (size_t)n); /* whoever left does not need it */
}

static int serve(uint16_t port, struct in_addr address)
{
	const int on = 1;
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = address};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
	    bind(listener, (const struct sockaddr *)&any, sizeof any) != 0 || listen(listener, 64) != 0) {
		perror("sampan-sample: listen");
		return 1;
	}
	printf("listening on port %u\n", (unsigned)port);
	(void)fflush(stdout);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		if (fd < 0 && errno != EINTR && errno != ECONNABORTED) {
			perror("sampan-sample: accept");
			return 1;
		}
		if (fd < 0)
			continue;
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
		if (read_head(fd))
			greet(fd);
		(void)close(fd);
	}
}

int main(int argc, char **argv)
{
	unsigned port = 8080;
	char rest;
	struct in_addr address = {.s_addr = INADDR_ANY};
	bool good = argc <= 3;
	if (argc > 1)
		good = good && sscanf(argv[1], "%5u%c", &port, &rest) == 1 && port > 0 && port <= UINT16_MAX;
	if (argc > 2)
		good = good && inet_pton(AF_INET, argv[2], &address) == 1;
	if (!good) {
		(void)fprintf(stderr, "usage: sampan-sample [PORT [ADDRESS]]\n");
		return 2;
	}
	(void)signal(SIGTERM, on_term);
	(void)signal(SIGPIPE, SIG_IGN);
	return serve((uint16_t)port, address);
}
