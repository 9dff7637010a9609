/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of io/uv/ only. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <uv.h>

#include "io/address.h"
#include "io/uv/uv.h"
#include "io/world_ops.h"

#define UVW_READ_BYTES ((size_t)64 << 10)
#define UVW_WORKERS_MAX 8u
#define UVW_THREADS_MAX 64u /* with those that are stuck */

struct uvw_world;

typedef struct uvw_thread {
	pthread_t id;
	struct uvw_world *world;
	uint64_t began_ns; /* its job; 0: it has none */
} uvw_thread;

typedef struct uvw_pool {
	pthread_mutex_t lock;
	pthread_cond_t more;
	sp_list waiting, finished;                          /* of sp_work.impl */
	size_t n_waiting, n_idle, n_threads, n_threads_max; /* n_threads_max: that work at a time */
	uvw_thread threads[UVW_THREADS_MAX];
	sp_timer watch; /* while jobs wait: for threads that are stuck */
	bool stopping;
} uvw_pool;

typedef struct uvw_world {
	sp_world base;
	uv_loop_t loop;
	uv_timer_t timer;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t idle;   /* runs while a turn left work for the next one */
	uv_async_t async; /* wakes the loop from other threads, and keeps it alive */
	sp_heap timers;
	uint64_t now_ns, armed_ns;
	bool running, stopping;
	sp_list defers;
	sp_list dirty;   /* streams with something to write */
	sp_list closing; /* streams to be ended */
	sp_list streams, listeners, udps, connects, wakeups, signals, processes;
	size_t n_paused; /* listeners that wait for descriptors */
	atomic_bool job_finished, wakeup_called;
	bool signal_came;
	uvw_pool pool;
	uint8_t *read_buf; /* UVW_READ_BYTES, good during one callback */
} uvw_world;

static inline uvw_world *uvw_of(sp_world *w)
{
	return SP_CONTAINER_OF(w, uvw_world, base);
}

/* At the start of each callback of libuv: takes the time. False when the loop is stopping: come back later.
 */
bool uvw_enter(uvw_world *w);

/* ---- work.c ---- */

void uvw_pool_init(uvw_world *w);
/* Runs what is left, joins the threads. */
void uvw_pool_done(uvw_world *w);
sp_code uvw_work_start(sp_world *base, sp_work *job, sp_err *err);
/* Calls `done` of finished jobs; true when there was one. */
bool uvw_work_finish(uvw_world *w);

sp_code uvw_wakeup_new(sp_world *base, void (*fn)(void *arg), void *arg, sp_wakeup **ret, sp_err *err);
void uvw_wakeup_call(sp_wakeup *base);
void uvw_wakeup_free(sp_wakeup *base);
bool uvw_wakeup_run(uvw_world *w);
void uvw_wakeups_free_all(uvw_world *w);

/* ---- signal.c ---- */

sp_code uvw_path_watch_new(sp_world *base, sp_str path, void (*fn)(void *arg), void *arg, sp_path_watch **ret,
			   sp_err *err);
void uvw_path_watch_free(sp_path_watch *base);
sp_code uvw_signal_watch_new(sp_world *base, int signal, void (*fn)(void *arg, int signal), void *arg,
			     sp_signal_watch **ret, sp_err *err);
void uvw_signal_watch_free(sp_signal_watch *base);
bool uvw_signal_run(uvw_world *w);
void uvw_signals_free_all(uvw_world *w);

/* ---- stream.c ---- */

typedef struct uvw_stream {
	sp_stream base;
	sp_list node; /* in world.streams */
	sp_list turn; /* in world.dirty or world.closing */
	sp_list writes;
	size_t write_at; /* bytes of the first one that are gone */
	uv_poll_t poll;
	int fd, armed;
	bool socket, write_only, poll_live;
	bool want_read, ended, blocked;
	sp_code write_code; /* of writes after a failed one */
	bool failed, shut_wanted, shut_sent, closing, closed;
	void (*on_connect)(struct uvw_stream *s, int errnum); /* while it connects */
	void *connect_arg;
} uvw_stream;

/* Takes the descriptor over on success; it is made non-blocking and close-on-exec. */
sp_code uvw_stream_new(uvw_world *w, int fd, uvw_stream **ret, sp_err *err);
/* Waits for the connection of a stream nobody has seen yet; on_connect gets 0 or an errno. */
void uvw_stream_wait_connected(uvw_stream *s, void (*on_connect)(uvw_stream *s, int errnum), void *arg);
/* Fills in local and remote from the socket. */
void uvw_stream_name(uvw_stream *s);
/* Releases one that nobody has seen yet. */
void uvw_stream_drop(uvw_stream *s);
bool uvw_streams_flush(uvw_world *w);
bool uvw_streams_end(uvw_world *w);
sp_code uvw_stream_pair(sp_world *base, sp_stream *ret[2], sp_err *err);
sp_code uvw_stream_from_fd(sp_world *base, int fd, sp_stream **ret, sp_err *err);

/* ---- sockaddr.c ---- */

typedef struct uvw_sockaddr {
	union {
		struct sockaddr any;
		struct sockaddr_storage room;
	};
	socklen_t len;
} uvw_sockaddr;

/* Of IP4, IP6, UNIX and ABSTRACT. */
void uvw_sockaddr_of(const sp_address *a, uvw_sockaddr *ret);
/* As text; empty for an unnamed socket. */
void uvw_sockaddr_print(const uvw_sockaddr *a, char *out, size_t out_bytes);

/* ---- listen.c, connect.c, process.c ---- */

sp_code uvw_listen(sp_world *base, sp_str address, const sp_listen_opts *opts,
		   void (*on_accept)(void *arg, sp_stream *s), void *arg, sp_listener **ret, sp_err *err);
void uvw_listener_close(sp_listener *base);
void uvw_listeners_close_all(uvw_world *w);
/* A descriptor became free: paused listeners go on. */
void uvw_listeners_resume(uvw_world *w);

/* ---- udp.c ---- */

sp_code uvw_udp_open(sp_world *base, sp_str address,
		     void (*on_packet)(void *arg, sp_udp *u, const sp_udp_peer *from, sp_str bytes),
		     void *arg, sp_udp **ret, sp_err *err);
void uvw_udp_send(sp_udp *base, const sp_udp_peer *to, sp_str bytes);
sp_code uvw_udp_peer(sp_world *base, sp_str address, sp_udp_peer *ret, sp_err *err);
void uvw_udp_close(sp_udp *base);
void uvw_udps_close_all(uvw_world *w);

sp_code uvw_connect(sp_world *base, sp_connect_req *r, sp_str address, uint64_t timeout_ns, sp_err *err);
void uvw_connect_cancel(sp_world *base, sp_connect_req *r);
void uvw_connects_cancel_all(uvw_world *w);

sp_code uvw_spawn(sp_world *base, const sp_spawn_opts *o, void (*on_exit)(void *arg, sp_exit exit), void *arg,
		  sp_process **ret, sp_err *err);
sp_code uvw_process_kill(sp_process *base, int signal, sp_err *err);
void uvw_process_free(sp_process *base);
void uvw_processes_free_all(uvw_world *w);
