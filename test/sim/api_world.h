/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run of many clients against one API server: what they share. The truth is the store's own log of changes
 * (test/sim/sim_store_test.c checks that one); everything that clients were told is compared with it.
 *
 * An object carries in its annotations "n", a counter, and "op", the number of the request that wrote it.
 */
#pragma once

#include "base/json.h"
#include "lib/api_host.h"

#define SECOND UINT64_C(1000000000)
#define MS UINT64_C(1000000)
#define N_OBJECTS 8u
#define N_HOSTS 4u
#define N_WRITERS 8u
#define N_INFORMERS 16u
#define CHANGES_MAX 20000u
#define OPS_MAX 20000u
#define SELECTORS 4u

typedef enum kind { CONFIGMAP, POD, KIND_COUNT_ } kind;

typedef struct change {
	uint64_t revision;
	uint8_t object, tier;
	bool is_delete, is_mark; /* mark: a pod's end is announced */
	uint32_t op, n;
	char uid[40];
} change;

typedef enum op_type { OP_CREATE, OP_INCREMENT, OP_PATCH, OP_DELETE } op_type;
typedef enum op_end { OP_UNKNOWN, OP_DONE, OP_REFUSED } op_end;

typedef struct op {
	op_type type;
	op_end end;
	kind kind;
	uint8_t object;
	uint64_t revision; /* answered */
	uint64_t base;     /* of an increment: the revision it was made from */
	uint64_t floor;    /* the newest revision anybody knew when it began */
	uint32_t n_seen;   /* in the truth */
	char uid[40];      /* of a deletion: what was deleted */
} op;

typedef struct truth {
	sp_store_watch *watch;
	change *log;
	size_t n;
} truth;

typedef struct world world;

typedef struct writer {
	world *w;
	t_client *client;
	t_call call;
	sp_timer timer, vanish;
	op *op;
	bool has_base; /* the increment's object was read */
	char path[128], name[8];
} writer;

typedef struct informer {
	world *w;
	t_client *client;
	t_call call;
	sp_timer timer, pause;
	kind kind;
	unsigned selector, limit;
	enum { RELIST, LISTING, WATCHING } phase;
	bool in_initial; /* the watch gives the current state first */
	bool is_stopped; /* reading */
	uint64_t revision, floor;
	uint64_t have[N_OBJECTS]; /* revision of each; 0 = not there */
	char cont[512];
	size_t n_events, n_lists, n_gone;
} informer;

struct world {
	t_api api;
	t_client clients[N_HOSTS];
	truth truth[KIND_COUNT_];
	writer writers[N_WRITERS];
	informer informers[N_INFORMERS];
	op *ops;
	size_t n_ops;
	uint64_t newest; /* revision anybody was told */
	uint64_t end_ns; /* of the writing */
	sp_arena scratch, log_scratch;
	char broken[512]; /* the first promise that was broken */
};

extern const char *const kind_plural[], *const tiers[];

/* Remembers the first. */
void broken(world *w, const char *fmt, ...) SP_PRINTF(2, 3);
uint64_t below(world *w, uint64_t n);
/* An answer of the API; good until the next parse. */
yyjson_val *parse(world *w, sp_str text);
sp_str text_at(yyjson_val *v, const char *a, const char *b, const char *c);
uint64_t number_at(yyjson_val *v, const char *a, const char *b, const char *c);
/* "k3" is 3. */
uint8_t object_of(world *w, sp_str name);

bool truth_open(world *w);
void truth_close(world *w);
/* Everything the store says by now. */
void truth_read(world *w);
/* The last change of an object up to a revision, or NULL. */
const change *truth_at(world *w, kind k, uint8_t object, uint64_t revision);
/* What a reader with that selector has at a revision. */
void truth_state(world *w, kind k, unsigned selector, uint64_t revision, uint64_t ret[N_OBJECTS]);
const char *selector_text(unsigned selector);

/* Every operation is in the truth as it was answered. */
void judge_ops(world *w);

void writer_start(writer *v);
void informer_start(informer *f);
