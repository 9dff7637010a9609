/* SPDX-License-Identifier: Apache-2.0 */
/* U: plugins/volumebinding/passive_assume_cache.go. Kept beside the objects, so no update can lose them. */
#include "base/alloc.h"
#include "scheduler/plugins/volumes_int.h"

static sp_str pack(char **at, sp_str text)
{
	sp_str copy = {*at, text.len};
	if (text.len > 0)
		memcpy(*at, text.ptr, text.len);
	*at += text.len;
	return copy;
}

/* A decision that shares a claim with an earlier one was made under its assumption, so they say the same. */
static sp_code assume(sp_map *all, sp_str key, sp_str to, sp_str uid)
{
	sched_assumption *x = sp_map_get(all, key);
	if (x != NULL) {
		x->refs++;
		return SP_OK;
	}
	x = sp_try_alloc(sizeof *x + key.len + to.len + uid.len);
	if (x == NULL)
		return SP_ENOMEM;
	char *at = x->text;
	x->refs = 1;
	x->key = pack(&at, key);
	x->to = pack(&at, to);
	x->uid = pack(&at, uid);
	if (sp_map_put(all, x->key, x, NULL) == SP_OK)
		return SP_OK;
	sp_free(x);
	return SP_ENOMEM;
}

static void drop(sp_map *all, sp_str key)
{
	sched_assumption *x = sp_map_get(all, key);
	if (x == NULL || --x->refs > 0)
		return;
	(void)sp_map_remove(all, x->key);
	sp_free(x);
}

sp_code sched_assume_claim(sched_state *st, sp_str claim, sp_str node)
{
	struct sched_volumes *all = sched_volumes_of(st);
	return all == NULL ? SP_ENOMEM : assume(&all->assumed_claims, claim, node, (sp_str){0});
}
sp_code sched_assume_volume(sched_state *st, sp_str volume, sp_str claim, sp_str claim_uid)
{
	struct sched_volumes *all = sched_volumes_of(st);
	return all == NULL ? SP_ENOMEM : assume(&all->assumed_volumes, volume, claim, claim_uid);
}

void sched_drop_claim(sched_state *st, sp_str claim)
{
	if (st->volumes != NULL)
		drop(&st->volumes->assumed_claims, claim);
}
void sched_drop_volume(sched_state *st, sp_str volume)
{
	if (st->volumes != NULL)
		drop(&st->volumes->assumed_volumes, volume);
}

const sched_assumption *sched_assumed_claim(const sched_state *st, sp_str claim)
{
	return st->volumes == NULL ? NULL : sp_map_get(&st->volumes->assumed_claims, claim);
}
const sched_assumption *sched_assumed_volume(const sched_state *st, sp_str volume)
{
	return st->volumes == NULL ? NULL : sp_map_get(&st->volumes->assumed_volumes, volume);
}

void sched_assumptions_done(struct sched_volumes *all)
{
	sp_map *maps[] = {&all->assumed_claims, &all->assumed_volumes};
	const sp_map_entry *e;
	for (size_t k = 0; k < SP_LEN(maps); k++) {
		for (size_t i = 0; (e = sp_map_next(maps[k], &i)) != NULL;)
			sp_free(e->value);
		sp_map_done(maps[k]);
	}
}
