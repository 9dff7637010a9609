/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The world: the only door to time, randomness, timers, sockets, files, processes and worker threads.
 * Production binds it to libuv (io/uv/), tests bind it to a deterministic simulator (io/sim/): one seed = one
 * run, bit for bit.
 *
 * Everything here is called from the loop's thread, except the body of a worker job. Callbacks are never
 * called from inside the function that asked for them: they come from the loop, later. "Embedded" structs
 * (sp_timer, sp_work, …) stand in their owner, cost no allocation per use, and must stay in place until their
 * callback ran or they were stopped.
 */
#pragma once

#include "base/bytes.h"
#include "base/err.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/str.h"

typedef struct sp_world sp_world;

/* ---- loop ---- */

/* Runs until sp_world_stop or, for the simulator, until nothing is left to do. */
void sp_world_run(sp_world *w);
/* Makes run return after the current callback. */
void sp_world_stop(sp_world *w);

/* ---- time and chance ---- */

/* Monotonic, nanoseconds since an arbitrary start; constant during one callback. */
uint64_t sp_now_ns(sp_world *w);
/* The same clock as it is at this moment, for what one callback takes; simulated, nothing takes time. */
uint64_t sp_clock_ns(sp_world *w);
/* Wall clock, nanoseconds since 1970-01-01T00:00:00Z; may jump. */
int64_t sp_wall_ns(sp_world *w);
/* Unpredictable bytes (production: getrandom). */
void sp_random(sp_world *w, void *bytes, size_t n);
uint64_t sp_random_u64(sp_world *w);

/* True with probability p_ppm / 10^6 in simulation, never in production: shrinks buffers, fires timers early.
 */
bool sp_buggify(sp_world *w, uint32_t p_ppm);

/* ---- timers and deferred calls ---- */

typedef struct sp_timer {
	sp_heap_node node; /* of the world */
	void (*fn)(struct sp_timer *t);
	void *arg; /* the owner's */
} sp_timer;

/* Zero-initialised timers are stopped. Starting a running timer moves it. Cannot fail. */
void sp_timer_start(sp_world *w, sp_timer *t, uint64_t delay_ns, void (*fn)(sp_timer *t));
void sp_timer_stop(sp_world *w, sp_timer *t);
static inline bool sp_timer_is_running(const sp_timer *t)
{
	return t->node.place != 0;
}

/* A call at the end of this turn of the loop, once, however often it was asked for: "react later, not inside
 * the event". */
typedef struct sp_defer {
	sp_list node;
	void (*fn)(struct sp_defer *d);
	void *arg;
} sp_defer;

void sp_defer_init(sp_defer *d, void (*fn)(sp_defer *d), void *arg);
void sp_defer_call(sp_world *w, sp_defer *d);
void sp_defer_cancel(sp_defer *d);

/* ---- workers ---- */

/*
 * A job on the bounded pool (min(8, CPUs) threads, 64 with those that have been stuck in a job for a second;
 * SP_LIMIT_WORK_QUEUE waiting). `fn` runs on a worker, owns
 * its inputs and touches no loop state; `done` runs on the loop afterwards. In simulation `fn` runs as an
 * event with a random delay.
 */
typedef struct sp_work {
	void (*fn)(struct sp_work *job);
	void (*done)(struct sp_work *job);
	void *arg;
	void *impl[4]; /* of the world */
} sp_work;

/* SP_EUNAVAILABLE when the queue is full; the job is then untouched. */
sp_code sp_work_start(sp_world *w, sp_work *job, sp_err *err) SP_MUST_USE;

/* Wakes the loop from another thread: `fn` runs on the loop at least once after the last call. The only
 * thread-safe call. */
typedef struct sp_wakeup sp_wakeup;
sp_code sp_wakeup_new(sp_world *w, void (*fn)(void *arg), void *arg, sp_wakeup **ret,
		      sp_err *err) SP_MUST_USE;
void sp_wakeup_call(sp_wakeup *u);
void sp_wakeup_free(sp_wakeup *u);

/* `fn` runs on the loop after each delivery of a signal of this process (SIGTERM, SIGHUP …; several close
 * together may count as one). One watch per signal and world. Production only. */
typedef struct sp_signal_watch sp_signal_watch;
sp_code sp_signal_watch_new(sp_world *w, int signal, void (*fn)(void *arg, int signal), void *arg,
			    sp_signal_watch **ret, sp_err *err) SP_MUST_USE;
void sp_signal_watch_free(sp_signal_watch *s);

/* `fn` runs on the loop after something changed in a directory: a file was made, written, renamed or removed
 * (several changes may count as one). Production only; SP_E… also where the kernel has no more watches. */
typedef struct sp_path_watch sp_path_watch;
sp_code sp_path_watch_new(sp_world *w, sp_str path, void (*fn)(void *arg), void *arg, sp_path_watch **ret,
			  sp_err *err) SP_MUST_USE;
/* Also from inside fn. NULL is a no-op. */
void sp_path_watch_free(sp_path_watch *s);

/* ---- byte streams ---- */

/*
 * A connected byte stream: TCP, unix socket, pipe, a TLS session over another stream, a link in the
 * simulator. All of them have this one interface (io/stream.h); protocols are written against it and never
 * see what is below.
 */
typedef struct sp_stream sp_stream;

/* An address as text: "127.0.0.1:6443", "[::1]:80", "unix:/run/x.sock", "unix:@abstract", "fd:3". No names.
 */
typedef struct sp_listener sp_listener;
typedef struct sp_listen_opts {
	int backlog;        /* 0 = 1024 */
	uint32_t unix_mode; /* file mode of a unix socket; 0 = 0600. A stale socket file is replaced, a live
			       one refused. */
	bool reuse_port;
} sp_listen_opts;

/* `opts` may be NULL. on_accept owns the stream. Accepting pauses by itself while descriptors are exhausted.
 */
sp_code sp_listen(sp_world *w, sp_str address, const sp_listen_opts *opts,
		  void (*on_accept)(void *arg, sp_stream *s), void *arg, sp_listener **ret,
		  sp_err *err) SP_MUST_USE;
/* The bound address, the port filled in ("127.0.0.1:43211"). Good until close. */
sp_str sp_listener_address(const sp_listener *l);
/* No on_accept after this returns. NULL is a no-op. */
void sp_listener_close(sp_listener *l);

/*
 * Connects; `address` as above, or "host:port" to be resolved first (both address families tried, RFC 8305
 * style). done gets the stream, or NULL and the reason; never called after sp_connect_cancel.
 */
typedef struct sp_connect_req {
	void (*done)(struct sp_connect_req *r, sp_stream *s, const sp_err *err);
	void *arg;
	void *impl; /* of the world; NULL while nothing is under way */
} sp_connect_req;
sp_code sp_connect(sp_world *w, sp_connect_req *r, sp_str address, uint64_t timeout_ns,
		   sp_err *err) SP_MUST_USE;
void sp_connect_cancel(sp_world *w, sp_connect_req *r);

/* Both ends of a connected pair inside this process (tests, in-process hops). */
sp_code sp_stream_pair(sp_world *w, sp_stream *ret[2], sp_err *err) SP_MUST_USE;
/* Takes over a connected descriptor (socket or pipe); on error the caller still owns it. Production only. */
sp_code sp_stream_from_fd(sp_world *w, int fd, sp_stream **ret, sp_err *err) SP_MUST_USE;

/* ---- datagrams ---- */

typedef struct sp_udp sp_udp;
/* Whom a datagram came from or goes to; compared byte by byte over `len`. An answer to whom it came from
 * leaves from the address that was asked, also when the socket is bound to any. */
typedef struct sp_udp_peer {
	uint32_t len;
	_Alignas(8) uint8_t room[32]; /* of the world */
	uint32_t local_len;           /* our side, of the world; 0: not known */
	_Alignas(8) uint8_t local[16];
} sp_udp_peer;

/* Receives at "IP:port". Datagrams above 64 KiB are cut; `bytes` is good during the call. */
sp_code sp_udp_open(sp_world *w, sp_str address,
		    void (*on_packet)(void *arg, sp_udp *u, const sp_udp_peer *from, sp_str bytes), void *arg,
		    sp_udp **ret, sp_err *err) SP_MUST_USE;
/* Sent or lost: never waits. */
void sp_udp_send(sp_udp *u, const sp_udp_peer *to, sp_str bytes);
/* The bound address, the port filled in. Good until close. */
sp_str sp_udp_address(const sp_udp *u);
sp_code sp_udp_peer_of(sp_world *w, sp_str address, sp_udp_peer *ret, sp_err *err) SP_MUST_USE;
/* No on_packet after this returns. NULL is a no-op. */
void sp_udp_close(sp_udp *u);

/* ---- files ---- */

/*
 * Blocking file calls, to be made from worker jobs or at start-up. Paths are absolute. In simulation they
 * work on a disk of the simulated process that survives its crash only as far as it was synced. See io/file.h
 * for the functions.
 */

/* ---- processes ---- */

typedef struct sp_process sp_process;
typedef struct sp_spawn_opts {
	const char *const *argv; /* NULL-terminated; argv[0] is an absolute path */
	const char *const *env;  /* NULL-terminated; NULL = empty environment */
	const char *cwd;         /* NULL = "/" */
	const int *fds;          /* child's descriptor i is our fds[i]; -1 = /dev/null */
	size_t n_fds;
	uint32_t uid, gid; /* used when set_ids */
	bool set_ids, new_session;
	int death_signal; /* the child gets it when we end, however we end; 0 = none */
} sp_spawn_opts;
typedef struct sp_exit {
	int code;   /* exit status, or 128 + signal */
	int signal; /* 0 when it exited */
} sp_exit;

/* on_exit is called exactly once, by pidfd. Production only; the simulator answers SP_EUNSUPPORTED unless
 * told how. */
sp_code sp_spawn(sp_world *w, const sp_spawn_opts *opts, void (*on_exit)(void *arg, sp_exit exit), void *arg,
		 sp_process **ret, sp_err *err) SP_MUST_USE;
int64_t sp_process_pid(const sp_process *p);
sp_code sp_process_kill(sp_process *p, int signal, sp_err *err) SP_MUST_USE;
/* Forgets the process (does not kill it); no on_exit afterwards. */
void sp_process_free(sp_process *p);
