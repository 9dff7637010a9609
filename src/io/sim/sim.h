/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated world: machines ("hosts") on one network under one clock, with a disk each, driven by one
 * queue of events ordered by (time, sequence). Chance comes from one seed, so a run is a function of its seed
 * and of what the test does: bit for bit the same, which sp_sim_trace_hash shows.
 *
 * A host runs a program (struct sp_sim_program) or is driven by the test itself through sp_sim_world. Each
 * life of a program has a world of its own; all of io/world.h and io/file.h works there but descriptors.
 *
 * Time passes only between events. Everything here is called between steps or from callbacks of the worlds,
 * in one thread. Memory of the simulator itself comes from sp_alloc; calls that can fail in production for
 * want of memory can fail here too.
 */
#pragma once

#include "io/file.h"
#include "io/stream.h"
#include "io/world.h"

typedef struct sp_sim sp_sim;
typedef struct sp_sim_host sp_sim_host;

#define SP_SIM_HOSTS_MAX 64u
#define SP_SIM_NAME_BYTES 31u

/* ---- programs ---- */

/*
 * What a host runs. A crash lets the network and the disk go at once: peers see resets, unsynced bytes are
 * lost, no message leaves any more. The memory of a C program does not vanish by itself, so `end` is called
 * for it, in a world that nobody else sees: files answer SP_EIO, connections SP_EUNAVAILABLE, streams are
 * reset, timers and deferred calls still come. So components are released in their usual, orderly way;
 * sp_sim_is_alive tells a test's bookkeeping that what is done there did not happen. A program whose memory
 * is all its own calls sp_sim_forget first, and releases it.
 */
typedef struct sp_sim_program {
	/* A new life begins, as an event. Returns its state; NULL: it failed, and the process is gone. Called
	 * again after a crash, with the same disk. */
	void *(*start)(void *arg, sp_world *w);
	/* The life is over: crashed, killed, or the simulation ends. NULL: nothing to release. */
	void (*end)(void *state, sp_world *w);
} sp_sim_program;

/* A program that sp_spawn finds by its argv[0]; `arg` goes to start. */
typedef struct sp_sim_binary {
	const char *path;
	const sp_sim_program *program;
	void *arg;
} sp_sim_binary;

/* ---- options ---- */

/* Rates in 10^-6, 0 = never. "Per tick": every tick_ns, each host or pair is asked. */
typedef struct sp_sim_faults {
	uint32_t short_io_ppm; /* a read or write moves only a part; per call. 10 % of connections get tiny
				  windows */
	uint32_t slow_ppm;     /* a reader, a job or a turn of a loop takes up to slow_ns more; per event */
	uint32_t delay_ppm;    /* a piece or message is late by up to delay_ns; per piece */
	uint32_t reset_ppm;    /* a connection breaks; per piece */
	uint32_t refuse_ppm;   /* a connect is refused; per connect */
	uint32_t part_ppm;     /* a pair of hosts is parted for up to part_ns; per tick */
	uint32_t swizzle_ppm;  /* sp_sim_swizzle over part_ns; per tick */
	uint32_t crash_ppm; /* a host with a program crashes, is down for up to down_ns; per tick and host */
	uint32_t clock_ppm; /* the wall clock of a host jumps by up to an hour, either way; per tick and host
			     */
	uint32_t disk_write_ppm;    /* a write fails (SP_EIO) having written a part */
	uint32_t disk_sync_ppm;     /* a sync fails; of what it should have saved any part is saved, and never
				       again */
	uint32_t buggify_ppm;       /* share of sp_buggify calls that are asked at all; 10^6 = all */
	uint32_t loss_ppm, dup_ppm; /* messages of links */
	uint64_t slow_ns, delay_ns, part_ns, down_ns; /* 0 = 100 ms, 200 ms, 5 s, 2 s */
	uint64_t tick_ns;                             /* 0 = 100 ms */
	uint64_t until_ns;                            /* after that simulated time: sp_sim_calm; 0 = never */
} sp_sim_faults;

/* 0 = the default. */
typedef struct sp_sim_opts {
	uint64_t seed;
	sp_sim_faults faults;
	uint64_t latency_min_ns, latency_max_ns; /* between hosts; 100 µs, 2 ms. Within a host: a hundredth */
	uint64_t bytes_per_s;                    /* of one direction of a connection; 100 MB/s */
	size_t window_bytes; /* in flight and unread, per direction; 64 KiB. Above, the writer waits */
	uint64_t give_up_ns; /* a connection cut off that long breaks at an end (SP_ETIMEOUT), or up to twice
				that; 15 s */
	size_t disk_bytes;   /* per host; 64 MiB. Above: SP_ETOOLARGE as of a full disk */
	const sp_sim_binary *binaries; /* what sp_spawn can start; none: SP_EUNSUPPORTED */
	size_t n_binaries;
} sp_sim_opts;

/* Options that draw a mix of faults from the seed: some of them, each at a rate of its own; crashes and disk
 * faults only when wanted. For "all faults" runs. */
sp_sim_opts sp_sim_opts_chaos(uint64_t seed, bool crashes);

/* ---- life ---- */

/* `opts` may be NULL. Simulated time begins at 1 s; wall clocks at 2026-01-01T00:00:00Z. */
sp_sim *sp_sim_new(const sp_sim_opts *opts);
/* Calms, ends every program (no restart), lets everything finish, closes what is left as sp_world_uv_free
 * does. NULL is a no-op. */
void sp_sim_free(sp_sim *s);

/* At most SP_SIM_HOSTS_MAX, with different names. Without a program its world is there at once; with one, the
 * program starts as an event at the present time. Addresses are 10.0.0.1, 10.0.0.2 … in order; 127.0.0.1,
 * [::1] and unix sockets stay within the host; names are resolved to hosts. */
sp_sim_host *sp_sim_host_new(sp_sim *s, const char *name, const sp_sim_program *program, void *arg);
const char *sp_sim_host_name(const sp_sim_host *h);
const char *sp_sim_host_ip(const sp_sim_host *h);
/* The world of its present life; NULL while it is down. */
sp_world *sp_sim_world(sp_sim_host *h);
/* The state that `start` returned; NULL while it is down. */
void *sp_sim_state(sp_sim_host *h);
sp_sim_host *sp_sim_host_of(sp_world *w);
/* False in a world whose life is over. */
bool sp_sim_is_alive(sp_world *w);

/* The host loses its power now, and comes back after down_ns (UINT64_MAX: when sp_sim_boot is called).
 * Harmless when it is down. */
void sp_sim_crash(sp_sim_host *h, uint64_t down_ns);
void sp_sim_boot(sp_sim_host *h);
/* In a life that is over: drops its timers, deferred calls, jobs, connects, listeners and streams, without a
 * callback. */
void sp_sim_forget(sp_world *w);
/* Moves the host's wall clock. */
void sp_sim_clock_jump(sp_sim_host *h, int64_t by_ns);
/* Delivers a signal to the host's program, as sp_process_kill does to a child. */
void sp_sim_signal(sp_sim_host *h, int signal);
/* The process of this world ends by itself (spawned ones: on_exit of the parent; a host's program stays
 * down). */
void sp_sim_exit(sp_world *w, int code);

/* ---- running ---- */

/* One event; false when none is left. Time jumps to it. */
bool sp_sim_step(sp_sim *s);
/* All events up to that simulated time, which is then the present. */
void sp_sim_run_until(sp_sim *s, uint64_t at_ns);
/* Until done(arg) says so (looked at after every step); false when it did not by that time or nothing is
 * left. */
bool sp_sim_run(sp_sim *s, bool (*done)(void *arg), void *arg, uint64_t until_ns);
/* Whether no event is left but those of the fault driver. */
bool sp_sim_is_idle(const sp_sim *s);

uint64_t sp_sim_now_ns(const sp_sim *s);
uint64_t sp_sim_steps(const sp_sim *s);
uint64_t sp_sim_seed(const sp_sim *s);
/* Of every event so far: its time, kind, world and bytes. */
uint64_t sp_sim_trace_hash(const sp_sim *s);
/* Of all simulations that this process has ended, for a runner that compares two runs of a seed. */
uint64_t sp_sim_ended_traces(void);
/* Mixes a value of the test's into the trace. */
void sp_sim_trace(sp_sim *s, uint64_t value);
/* The seed's stream, and a number in [0, n). */
uint64_t sp_sim_random(sp_sim *s);
uint64_t sp_sim_random_below(sp_sim *s, uint64_t n);

/* `fn` is called after every step; at most 16. It looks and does nothing to the worlds. */
void sp_sim_check(sp_sim *s, void (*fn)(void *arg), void *arg);

/* ---- faults by hand ---- */

/* No byte and no message passes between the two until as many heals: connects time out, connections stall and
 * break after give_up_ns. */
void sp_sim_part(sp_sim_host *a, sp_sim_host *b);
void sp_sim_heal(sp_sim_host *a, sp_sim_host *b);
bool sp_sim_is_parted(const sp_sim_host *a, const sp_sim_host *b);
/* Parts a random subset of the pairs of hosts one by one and heals them in another order, all within span_ns.
 */
void sp_sim_swizzle(sp_sim *s, uint64_t span_ns);
/* Breaks every connection between the two hosts (which may be one). */
void sp_sim_reset_streams(sp_sim_host *a, sp_sim_host *b);
/* The next n syncs on the host's disk fail. */
void sp_sim_fail_syncs(sp_sim_host *h, uint32_t n);
/* No faults from now on: everything parted heals, tiny windows open, what is down starts. A run must then
 * converge. */
void sp_sim_calm(sp_sim *s);

/* ---- message links ---- */

/*
 * Datagrams between hosts, for protocols that stand loss, repetition, delay and any order (leases,
 * heartbeats): the worlds have streams only. One link per world and port. A message to a host that is down,
 * parted or has no link on that port is lost silently.
 */
typedef struct sp_sim_link sp_sim_link;
#define SP_SIM_MESSAGE_BYTES 65507u

/* SP_EEXISTS when the world has a link on that port. */
sp_code sp_sim_link_new(sp_world *w, uint16_t port,
			void (*on_message)(void *arg, sp_sim_host *from, sp_str message), void *arg,
			sp_sim_link **ret, sp_err *err) SP_MUST_USE;
/* Copies. SP_ETOOLARGE above SP_SIM_MESSAGE_BYTES. SP_OK says nothing about arrival. */
sp_code sp_sim_link_send(sp_sim_link *l, sp_sim_host *to, sp_str message, sp_err *err);
/* NULL is a no-op. */
void sp_sim_link_free(sp_sim_link *l);
