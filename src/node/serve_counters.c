/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's counters for /metrics, with the volumes of claims. U: kubernetes
 * pkg/kubelet/metrics/collectors/volume_stats.go. */
#include "node/disks.h"

#define CLAIMS_MAX 512u
#define TELL_BYTES_MAX ((size_t)1 << 20)

typedef struct claims {
	node_claim_disk at[CLAIMS_MAX];
	size_t n;
} claims;

static bool is_known(const claims *l, sp_str ns, sp_str claim)
{
	for (size_t i = 0; i < l->n; i++) {
		if (sp_str_eq(l->at[i].ns, ns) && sp_str_eq(l->at[i].claim, claim))
			return true;
	}
	return false;
}

/* Host paths have no file system of their own; upstream does not tell of them either. */
static void add_claims(node_agent *a, const node_worker *w, claims *l)
{
	sp_str claim;
	const node_claim_found *f;
	for (size_t i = 0; (f = node_claims_at(w, i, &claim)) != NULL; i++) {
		if ((f->kind != NODE_CLAIM_LOCAL && f->kind != NODE_CLAIM_DIRECTORY) || l->n == CLAIMS_MAX ||
		    is_known(l, w->ns, claim))
			continue;
		const node_disk *disk = node_disks_get(a, f->path);
		if (disk != NULL)
			l->at[l->n++] = (node_claim_disk){.ns = w->ns, .claim = claim, .disk = *disk};
	}
}

void node_counters_tell(node_agent *a, sp_buf *out)
{
	SP_CLEANUP(sp_arena_done) sp_arena arena;
	sp_arena_init(&arena, TELL_BYTES_MAX);
	claims *l = sp_try_new(&arena, claims, 1);
	node_counters_input in = {.counters = &a->counters};
	in.evictions = node_pressure_counts(a, &in.n_evictions);
	if (l != NULL) {
		SP_LIST_FOREACH (node, &a->workers)
			add_claims(a, SP_CONTAINER_OF(node, node_worker, node), l);
		in.claims = l->at;
		in.n_claims = l->n;
	}
	node_counters_write(out, &in);
}
