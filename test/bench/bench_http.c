/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests per second and processor time per request of the HTTP server, against nginx answering the same
 * bytes in the same run: one process each, h2load on a unix socket as the generator (its time is not
 * counted).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "io/http.h"
#include "io/uv/uv.h"

#define BODY_BIG 16384

typedef struct figure {
	double per_second, us;
} figure;

static char dir[] = "/tmp/bench_http_XXXXXX";
static char big[BODY_BIG];

/* ---- our server ---- */

static sp_http_server *server;

static void on_request(void *arg, sp_http_exchange *ex)
{
	sp_http_header type = {SP_STR("content-type"), SP_STR("text/plain")};
	sp_bytes *body = arg;
	bool small = sp_str_eq(ex->path, SP_STR("/small"));
	sp_code code = small ? sp_http_respond(ex, 200, &type, 1, SP_STR("hello\n"), NULL)
			     : sp_http_respond_bytes(ex, 200, &type, 1, body, NULL);
	SP_ASSERT(code == SP_OK);
}

static void on_accept(void *arg, sp_stream *s)
{
	(void)arg;
	sp_http_server_accept(server, s);
}

static void serve(const char *path)
{
	sp_world *w = NULL;
	sp_listener *l = NULL;
	sp_listen_opts lo = {0};
	sp_err err = {0};
	char address[256];
	sp_bytes *body = sp_bytes_try_dup((sp_str){big, sizeof big});
	sp_http_server_opts o = {.on_request = on_request, .arg = body};
	(void)snprintf(address, sizeof address, "unix:%s", path);
	if (sp_world_uv_new(&w, &err) != SP_OK || sp_http_server_new(w, &o, &server, &err) != SP_OK ||
	    sp_listen(w, sp_str_c(address), &lo, on_accept, NULL, &l, &err) != SP_OK) {
		(void)fprintf(stderr, "%s\n", err.msg);
		_exit(1);
	}
	sp_world_run(w);
	_exit(0);
}

/* ---- nginx ---- */

static void write_config(const char *config, const char *path, bool h2)
{
	FILE *f = fopen(config, "w");
	SP_ASSERT(f != NULL);
	(void)fprintf(
		f,
		"daemon off; master_process off; worker_processes 1; error_log stderr crit; pid %s/pid;\n"
		"events { worker_connections 1024; }\n"
		"http { access_log off; keepalive_requests 100000000; http2_max_concurrent_streams 250;\n"
		"client_body_temp_path %s/t1; proxy_temp_path %s/t2; fastcgi_temp_path %s/t3;\n"
		"uwsgi_temp_path %s/t4; scgi_temp_path %s/t5; default_type text/plain;\n"
		"server { listen unix:%s%s; root %s; open_file_cache max=10;\n"
		"location = /small { return 200 \"hello\\n\"; } } }\n",
		dir, dir, dir, dir, dir, dir, path, h2 ? " http2" : "", dir);
	(void)fclose(f);
}

static void run_nginx(const char *path, bool h2)
{
	char config[300];
	(void)snprintf(config, sizeof config, "%s/nginx.conf", dir);
	write_config(config, path, h2);
	(void)execlp("nginx", "nginx", "-c", config, "-p", dir, (char *)NULL);
	_exit(127);
}

/* ---- measuring ---- */

static double run_h2load(const char *path, bool h2, const char *target)
{
	char command[600], line[300];
	double per_second = 0;
	int good = 0, n = h2 ? 200000 : 100000;
	if (strcmp(target, "/big") == 0)
		n /= 4;
	(void)snprintf(command, sizeof command,
		       "h2load %s -n %d --base-uri=unix:%s 'http://localhost%s' 2>/dev/null",
		       h2 ? "-c 8 -m 32" : "--h1 -c 32", n, path, target);
	FILE *f = popen(command, "r");
	SP_ASSERT(f != NULL);
	while (fgets(line, sizeof line, f) != NULL) {
		const char *at = strstr(line, "ms, ");
		if (at == NULL)
			at = strstr(line, "s, ");
		if (strncmp(line, "finished in", 11) == 0 && at != NULL)
			per_second = strtod(strchr(at, ' '), NULL);
		(void)sscanf(line, "status codes: %d 2xx", &good);
	}
	(void)pclose(f);
	return good == n ? per_second : 0;
}

static bool wait_for(const char *path)
{
	struct stat st;
	struct timespec pause = {.tv_nsec = 10000000};
	for (int i = 0; i < 300; i++) {
		if (stat(path, &st) == 0)
			return true;
		(void)nanosleep(&pause, NULL);
	}
	return false;
}

static figure measure(bool nginx, bool h2, const char *target)
{
	static int n_runs;
	char path[200];
	struct rusage u = {0};
	figure r = {0};
	int status;
	(void)snprintf(path, sizeof path, "%s/s%d", dir, n_runs++);
	pid_t pid = fork();
	if (pid == 0) {
		if (nginx)
			run_nginx(path, h2);
		serve(path);
	}
	if (wait_for(path))
		r.per_second = run_h2load(path, h2, target);
	(void)kill(pid, SIGKILL);
	if (wait4(pid, &status, 0, &u) == pid && r.per_second > 0) {
		double n = (h2 ? 200000.0 : 100000.0) / (strcmp(target, "/big") == 0 ? 4 : 1);
		r.us = ((double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
			(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec)) /
		       n;
	}
	return r;
}

static void report(const char *name, bool h2, const char *target)
{
	figure us = measure(false, h2, target), peer = measure(true, h2, target);
	if (peer.us > 0) {
		(void)printf("bench %s_cpu %.2f us peer=nginx %.2f ratio=%.2f\n", name, us.us, peer.us,
			     us.us / peer.us);
		(void)printf("bench %s_rate %.0f requests/s peer=nginx %.0f ratio=%.2f\n", name,
			     us.per_second, peer.per_second, us.per_second / peer.per_second);
	} else {
		(void)printf("bench %s_cpu %.2f us peer=none\n", name, us.us);
		(void)printf("bench %s_rate %.0f requests/s peer=none\n", name, us.per_second);
	}
}

int main(void)
{
	char command[200];
	if (mkdtemp(dir) == NULL)
		return 1;
	memset(big, 'x', sizeof big);
	(void)snprintf(command, sizeof command, "%s/big", dir);
	FILE *f = fopen(command, "w");
	if (f == NULL || fwrite(big, sizeof big, 1, f) != 1 || fclose(f) != 0)
		return 1;
	report("http1_small", false, "/small");
	report("http2_small", true, "/small");
	report("http1_16k", false, "/big");
	report("http2_16k", true, "/big");
	(void)snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}
