/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expectations: what a controller did and its cache has not shown yet. While a key's expectations are not
 * met it does not count its dependents, so it never makes a replica twice because the first one's event is
 * late. They end by themselves after 5 minutes. U: kubernetes pkg/controller/controller_utils.go.
 */
#pragma once

#include "base/map.h"

typedef struct sp_world sp_world;

typedef struct sp_expect {
	sp_world *world;
	sp_map entries;
} sp_expect;

void sp_expect_init(sp_expect *e, sp_world *w);
void sp_expect_done(sp_expect *e);

/* Nothing is outstanding, nothing was ever expected, or it is too long ago. */
bool sp_expect_is_met(sp_expect *e, sp_str key);
/* Before the calls are made; replaces what was expected. `uids` may be NULL when n_deletions is 0. SP_ENOMEM:
 * nothing may be done now. */
sp_code sp_expect_set(sp_expect *e, sp_str key, uint32_t n_creations, const sp_str *uids,
		      size_t n_deletions) SP_MUST_USE;
/* One was seen, or its call failed. */
void sp_expect_created(sp_expect *e, sp_str key);
/* That one is going or gone, or its call failed. A uid that was not expected does nothing. */
void sp_expect_deleted(sp_expect *e, sp_str key, sp_str uid);
/* The key's object is gone. */
void sp_expect_forget(sp_expect *e, sp_str key);
