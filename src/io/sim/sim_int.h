/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of io/sim/ only. */
#pragma once

#include "io/address.h"
#include "io/sim/sim.h"
#include "io/world_ops.h"

#define PPM 1000000u

/* Kinds of events, for the trace. */
enum {
	SIM_TIMER = 1,
	SIM_TURN,
	SIM_JOB,
	SIM_JOB_DONE,
	SIM_ARRIVAL,
	SIM_READABLE,
	SIM_WRITABLE,
	SIM_RESET,
	SIM_SYN,
	SIM_CONNECTED,
	SIM_MESSAGE,
	SIM_BOOT,
	SIM_TICK,
	SIM_LINK_CHANGE,
	SIM_SIGNAL,
	SIM_EXIT,
	SIM_USER,
};

typedef struct sim_world sim_world;
typedef struct sim_disk sim_disk;

/* Something that will happen; stands in its owner. */
typedef struct sim_event {
	sp_heap_node node;
	void (*fn)(struct sim_event *e);
	sim_world *world; /* whose loop it is an event of; NULL: of the simulator */
	uint8_t kind;
} sim_event;

struct sp_sim_host {
	sp_sim *sim;
	uint32_t index;
	char name[SP_SIM_NAME_BYTES + 1], ip[16];
	uint8_t ip4[4];
	const sp_sim_program *program;
	void *arg;
	sim_world *main; /* the present life of its program, or NULL */
	bool is_off;
	sim_event boot;
	sim_disk *disk;
	int64_t wall_ns; /* offset of its wall clock */
	uint32_t n_fail_syncs;
	uint16_t next_port;
};

/* A process. */
struct sim_world {
	sp_world base;
	sp_list node; /* of sim->worlds */
	sp_sim *sim;
	sp_sim_host *host;
	uint32_t id;
	bool alive, running, stopped, in_turn;
	const sp_sim_program *program;
	void *state;
	sp_heap timers;
	sim_event timer, turn;
	sp_list defers, dirty, closing; /* for the end of the turn */
	sp_list streams, listeners, connects, wakeups, jobs, links, signals, processes;
	uint32_t n_jobs;
	struct sim_process *parent; /* the handle of who spawned it, or NULL */
	sim_event ended;            /* tells the program */
	int64_t pid;
};

struct sp_sim {
	sp_sim_opts opts;
	uint64_t now_ns, rng, hash, n_steps;
	sp_heap events;
	uint32_t n_flying;     /* messages */
	uint32_t n_background; /* events of the fault driver in the queue */
	sp_list worlds, conns, flying, changes;
	sp_sim_host *hosts[SP_SIM_HOSTS_MAX];
	uint32_t n_hosts, n_worlds;
	uint16_t parted[SP_SIM_HOSTS_MAX][SP_SIM_HOSTS_MAX];
	sim_event tick;
	struct {
		void (*fn)(void *arg);
		void *arg;
	} checks[16];
	uint32_t n_checks;
	bool calm, ending;
};

static inline sim_world *sim_of(sp_world *w)
{
	return SP_CONTAINER_OF(w, sim_world, base);
}

/* ---- sim.c ---- */
void sim_event_init(sim_event *e, sim_world *w, uint8_t kind, void (*fn)(sim_event *e));
/* Moves it when it is queued. */
void sim_event_at(sp_sim *s, sim_event *e, uint64_t at_ns);
void sim_event_stop(sp_sim *s, sim_event *e);
static inline bool sim_event_is_queued(const sim_event *e)
{
	return e->node.place != 0;
}
/* The faults' dice: never true when the simulation is calm. */
bool sim_chance(sp_sim *s, uint32_t p_ppm);
void sim_trace_bytes(sp_sim *s, const void *bytes, size_t n);
/* An extra delay by chance: of slow_ppm. */
uint64_t sim_slow_ns(sp_sim *s);
/* One way from host to host. */
uint64_t sim_latency_ns(sp_sim *s, const sp_sim_host *a, const sp_sim_host *b);

/* ---- world.c ---- */
sim_world *sim_world_new(sp_sim_host *h, const sp_sim_program *program);
/* Calls the program's start. */
void sim_world_start(sim_world *w, void *arg);
/* The life is over: cut off from everything at once, told by an event. */
void sim_world_end(sim_world *w, sp_exit status);
/* Nothing is left in it. */
bool sim_world_is_quiet(const sim_world *w);
/* Drops what is left, with the callbacks of streams and jobs. */
void sim_world_close_all(sim_world *w);
void sim_world_free(sim_world *w);
/* Something for the end of the turn is there. */
void sim_touch(sim_world *w);

/* ---- stream.c ---- */
typedef struct sim_stream sim_stream;
/* Both ends; SP_ENOMEM. Names are not set. */
sp_code sim_conn_new(sim_world *a, sim_world *b, sim_stream *ret[2], sp_err *err);
sp_stream *sim_stream_base(sim_stream *s);
/* Addresses as text; `is_unix`: the peer's credentials are known. */
void sim_stream_name(sim_stream *s, const char *local, const char *remote, bool is_unix);
bool sim_streams_flush(sim_world *w);
bool sim_streams_end(sim_world *w);
/* The process of these streams is gone: peers see resets. */
void sim_streams_cut(sim_world *w);
/* Every connection has the window of the options again, and its writers go on. */
void sim_conns_widen(sp_sim *s);
/* Released without a word. */
void sim_streams_forget(sim_world *w);
/* One that nobody owns yet. */
void sim_stream_drop(sim_stream *s);
/* Closes the stream with this node of w->streams. */
void sim_stream_close_node(sp_list *node);
/* What stalled goes on, what is parted stalls. */
void sim_conns_parted(sp_sim *s, const sp_sim_host *a, const sp_sim_host *b);
void sim_conns_healed(sp_sim *s, const sp_sim_host *a, const sp_sim_host *b);
sp_code sim_stream_pair(sp_world *base, sp_stream *ret[2], sp_err *err);

/* ---- connect.c ---- */
sp_code sim_listen(sp_world *base, sp_str address, const sp_listen_opts *opts,
		   void (*on_accept)(void *arg, sp_stream *s), void *arg, sp_listener **ret, sp_err *err);
void sim_listener_close(sp_listener *base);
void sim_listeners_close_all(sim_world *w);
sp_code sim_connect(sp_world *base, sp_connect_req *r, sp_str address, uint64_t timeout_ns, sp_err *err);
void sim_connect_cancel(sp_world *base, sp_connect_req *r);
void sim_connects_cut(sim_world *w);
void sim_connects_cancel_all(sim_world *w);

/* ---- disk.c, file.c ---- */
/* The content of a file: as read, and as on the disk. */
typedef struct sim_inode sim_inode;
sim_disk *sim_disk_new(void);
void sim_disk_free(sim_disk *d);
/* Only what was synced stays, and of the rest a part by chance. */
void sim_disk_crash(sim_disk *d, sp_sim *s);
extern const sp_file_ops sim_file_ops;

/* ---- chaos.c ---- */
void sim_chaos_init(sp_sim *s);
void sim_chaos_done(sp_sim *s);
static inline bool sim_is_cut(const sp_sim *s, const sp_sim_host *a, const sp_sim_host *b)
{
	return s->parted[a->index][b->index] > 0;
}

/* ---- link.c ---- */
void sim_links_forget(sim_world *w);
void sim_messages_done(sp_sim *s);

/* ---- process.c ---- */
sp_code sim_spawn(sp_world *base, const sp_spawn_opts *opts, void (*on_exit)(void *arg, sp_exit exit),
		  void *arg, sp_process **ret, sp_err *err);
sp_code sim_process_kill(sp_process *base, int signal, sp_err *err);
void sim_process_free(sp_process *base);
sp_code sim_signal_watch_new(sp_world *base, int signal, void (*fn)(void *arg, int signal), void *arg,
			     sp_signal_watch **ret, sp_err *err);
void sim_signal_watch_free(sp_signal_watch *base);
bool sim_signals_run(sim_world *w);
void sim_processes_forget(sim_world *w);
/* The world's end is told to its parent. */
void sim_process_ended(sim_world *w, sp_exit status);
