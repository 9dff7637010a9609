/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What measures an API server: ours as a process of its own, and kube-apiserver over etcd with the same keys,
 * flags and file system, both driven by this process over HTTP/2 and TLS; with a scheduler, where one is
 * wanted. Whatever goes wrong ends the program. One server at a time; everything stands below RIG_DIR.
 */
#pragma once

#include <time.h>

#include "io/http.h"

#define RIG_DIR "build/bench-apiserver"
#define RIG_CONNECTIONS 48u                   /* 250 streams each, as both servers allow: 10,000 watches */
#define RIG_PATIENCE_NS UINT64_C(60000000000) /* for anything that must come */

extern sp_world *rig_world;

/* Keys for the servers and two users: system:masters, and group "bench". */
void rig_init(void);
/* 0, unless the directory can't be removed. */
int rig_done(void);
/* Says so, kills the server and exits. err may be NULL. */
void rig_die(const char *what, const sp_err *err) __attribute__((noreturn));
/* PEER_KUBE_APISERVER and PEER_ETCD name programs. */
bool rig_has_peer(void);

/* ---- servers ---- */

/* Further arguments of the API server, ours or the peer's; NULL ends them. Read at start. */
#define RIG_FLAGS_MAX 8u
extern const char *rig_flags[RIG_FLAGS_MAX + 1];
/* Starts ours or the peer's and waits for /readyz; figure "start". Clients are open. */
void rig_server_start(bool peer);
void rig_server_stop(void);
/* What stopped servers stored is removed: the next one starts with nothing. */
void rig_server_forget(void);
/* Processor time of all processes of the server so far, seconds. */
double rig_server_cpu_s(void);
/* The sum of a line "NAME: N kB" in a file of /proc/PID over the server's processes, MiB. */
double rig_proc_mib(const char *file, const char *name);

/*
 * The scheduler beside the server that runs: ours, or the peer's (PEER_KUBE_SCHEDULER), as user
 * system:kube-scheduler, with default profiles, without leader election. It need not be ready yet.
 */
void rig_scheduler_start(void);
void rig_scheduler_stop(void);
double rig_scheduler_cpu_s(void);

/* ---- figures ---- */

double rig_clock_s(clockid_t id);
double rig_now_s(void);
/* Notes a figure of the server that runs. name and unit stay. */
void rig_put(const char *name, double value, const char *unit, int decimals);
void rig_put_memory(const char *pss, const char *rss, const char *dirty);
/* Prints those that were not printed yet: `bench AREA_NAME VALUE UNIT peer=PEER …`. */
void rig_print(const char *area, const char *peer);

/* ---- requests ---- */

/* RIG_CONNECTIONS clients of one connection each. */
void rig_open_clients(void);
void rig_close_clients(void);

typedef struct rig_ask {
	sp_str method, path, type, accept; /* empty: GET; types: JSON */
	const char *body;                  /* or NULL */
	bool as_admin;
} rig_ask;

typedef struct rig_answer {
	uint16_t status;
	size_t n;
	char head[512]; /* of the body */
	bool failed;
} rig_answer;

/* Everything in `a` is copied. */
sp_code rig_start(size_t connection, const rig_ask *a, const sp_http_events *events, void *arg, sp_err *err);
/* The same until the answer is whole. */
rig_answer rig_call(const rig_ask *what);
/* The same, and it must succeed. */
void rig_must(const rig_ask *what);
/* Runs until somebody stops the loop; false: the time was over first. */
bool rig_run(uint64_t limit_ns);
