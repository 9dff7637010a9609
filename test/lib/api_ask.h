/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to an API server of api_host.h and the answers they must get, a table's worth at a time. */
#pragma once

#include "lib/api_host.h"

typedef struct t_asker {
	t_api api;
	t_call call; /* the last one */
} t_asker;

/* A server on a network without faults and a client of it; ends with the test. NULL: the test has failed. */
t_asker *t_asker_open(void);
/* The same over such a store. */
t_asker *t_asker_open_on(const sp_store_mem_opts *store);

typedef struct t_ask_row {
	t_req q;
	uint16_t status;
	const char *like; /* t_is_like; NULL: any body */
} t_ask_row;

/* Whether the text is the pattern's; '*' stands for anything, as short as it can be. */
bool t_is_like(sp_str text, const char *pattern);

/* Fails the test unless the answer is this. */
void t_ask_one(t_asker *f, const t_req *q, uint16_t status, const char *like);
void t_ask_all(t_asker *f, const t_ask_row *rows, size_t n);
/* The same on a server of their own. */
void t_ask_rows(const t_ask_row *rows, size_t n);
