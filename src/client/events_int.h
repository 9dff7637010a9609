/* SPDX-License-Identifier: Apache-2.0 */
/* What the recorder remembers of events, to count them instead of writing them again (events_memo.c). */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "client/events.h"

#define MEMO_LOCALS 10u       /* similar events, then they are written as one */
#define MEMO_MOST 4096u       /* of each table; the oldest goes first */
#define EVENT_NAME_BYTES 254u /* with a NUL */
#define EVENT_NS_BYTES 64u

/* Two independent hashes of a text: short, and never the same for two texts in practice. */
typedef struct memo_key {
	uint64_t at[2];
} memo_key;

typedef struct memo {
	sp_list node; /* oldest first */
	memo_key key;
	uint64_t last_ns;
	/* similar events: hashes of their messages */
	uint64_t locals[MEMO_LOCALS];
	uint32_t n_locals;
	/* an object's budget: when its next event is due */
	int64_t due_ns;
	/* an event as it was written */
	uint32_t count;
	bool is_behind; /* series: the count is not written yet */
	int64_t first_wall_ns, last_wall_ns;
	char name[EVENT_NAME_BYTES], ns[EVENT_NS_BYTES];
} memo;

typedef struct memo_table {
	sp_map map; /* by the bytes of the key */
	sp_list order;
	size_t n;
} memo_table;

void memo_init(memo_table *t);
void memo_done(memo_table *t);
/* Makes it when it is not there (*ret_new). NULL: no memory. */
memo *memo_get(memo_table *t, memo_key key, bool *ret_new);
void memo_forget(memo_table *t, memo *m);

/* Of the parts, each ended by a byte that text does not have. */
memo_key memo_key_of(const sp_str *parts, size_t n);

/* False: the source has written enough about this object. */
bool memo_take_token(memo *m, uint64_t now_ns);
/* True: there were so many like it that they are to be combined. */
bool memo_is_similar(memo *m, uint64_t message_hash, uint64_t now_ns);
