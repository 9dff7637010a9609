/* SPDX-License-Identifier: Apache-2.0 */
/*
 * U: plugins/podtopologyspread (common.go, filtering.go, scoring.go). Counts come from the groups that are
 * kept up to date; where the pod's node affinity or tolerations leave out nodes, they are summed over the
 * nodes that stay.
 */
#include <math.h>

#include "scheduler/arm.h"
#include "scheduler/columns.h"
#include "scheduler/plugins/need.h"
#include "scheduler/plugins/plugins.h"

#define TABLE_MAX 8192

/* -- nodes that count ----------------------------------------------------------------------------------- */

/* Nodes of the constraint's topology that its policies let count, among `base`. */
static void eligible(const sched_cycle *c, const sched_spread *k, const uint64_t *base, uint64_t *out)
{
	for (size_t w = 0; w < c->n_words; w++)
		out[w] = base[w] & (k->honor_affinity && c->need != NULL ? c->need->bits[w] : UINT64_MAX);
	if (!k->honor_taints || c->taint_blocked == NULL)
		return;
	SCHED_BITS_EACH (slot, out, c->n_words) {
		if (c->taint_blocked[c->st->t.taint_class[slot]] != 0)
			sched_bit_clear(out, slot);
	}
}

static bool same_bits(const uint64_t *a, const uint64_t *b, size_t n_words)
{
	return memcmp(a, b, n_words * sizeof *a) == 0;
}

/* Matching pods of each domain that has an eligible node. */
static void count_domains(sched_cycle *c, sched_spread_one *one, const uint64_t *nodes)
{
	const sched_topology *t = one->topology;
	const sched_topo_count *all = one->group == NULL ? NULL : sched_group_count(one->group, t);
	if (same_bits(nodes, t->placed, c->n_words)) {
		for (uint32_t d = 0; d < t->n_domains; d++)
			one->count[d] = t->n_nodes[d] == 0 ? -1 : all == NULL ? 0 : (int32_t)all->count[d];
		one->n_existing = t->n_live;
		return;
	}
	memset(one->count, 0xff, t->n_domains * sizeof *one->count);
	SCHED_BITS_EACH (slot, nodes, c->n_words) {
		uint32_t d = t->domain[slot];
		if (d == SCHED_NO_DOMAIN)
			continue;
		if (one->count[d] < 0) {
			one->count[d] = 0;
			one->n_existing++;
		}
		one->count[d] += one->group == NULL ? 0 : (int32_t)one->group->node_count[slot];
	}
}

static void find_min(sched_spread_one *one)
{
	one->min = one->second = INT32_MAX;
	one->min_domain = SCHED_NO_DOMAIN;
	for (uint32_t d = 0; d < one->topology->n_domains; d++) {
		int32_t n = one->count[d];
		if (n < 0)
			continue;
		if (n < one->min) {
			one->second = one->min;
			one->min = n;
			one->min_domain = d;
		} else if (n < one->second) {
			one->second = n;
		}
	}
}

static sp_code prepare(sched_cycle *c, sched_spread_state *s, const sched_spread *list,
		       const sched_armed_one *armed, size_t n, bool hard)
{
	s->items = sp_try_new(&c->arena, sched_spread_one, n + 1);
	s->has_keys = sp_try_new(&c->arena, uint64_t, c->n_words + 1);
	if (s->items == NULL || s->has_keys == NULL)
		return SP_ENOMEM;
	memcpy(s->has_keys, c->st->t.present, c->n_words * sizeof *s->has_keys);
	s->n = n;
	for (size_t i = 0; i < n; i++) {
		sched_spread_one *one = &s->items[i];
		one->c = &list[i];
		one->group = armed[i].group;
		one->topology = armed[i].topology;
		one->self = sp_labels_match(&list[i].labels, c->spec->pc->labels, c->spec->pc->n_labels);
		one->count = sp_try_new(&c->arena, int32_t, one->topology->n_domains + 1);
		if (one->count == NULL)
			return SP_ENOMEM;
		if (list[i].honor_affinity)
			SP_TRY(sched_need_column(c));
		for (size_t w = 0; w < c->n_words && (hard || s->require_all); w++)
			s->has_keys[w] &= one->topology->placed[w];
	}
	return SP_OK;
}

/* -- filter --------------------------------------------------------------------------------------------- */

static sched_verdict prefilter(sched_cycle *c, sched_status *why)
{
	sched_spec *s = c->spec;
	const sched_spread *list = s->hard;
	const sched_armed_one *armed;
	size_t n = s->n_hard;
	(void)why;
	if (n == 0 && (s->has_spread || c->profile->n_default_spread_hard == 0))
		return SCHED_SKIP;
	c->code = sched_arm(c->st, s);
	if (c->code == SP_OK && n == 0) {
		c->code = sched_arm_defaults(c->st, s, c->profile);
		/* The profile lists the hard ones first. */
		n = c->code == SP_OK && s->armed->n_defaults > 0 ? c->profile->n_default_spread_hard : 0;
		list = c->code == SP_OK ? s->armed->default_constraints : NULL;
	}
	if (c->code != SP_OK)
		return SCHED_FAILED;
	if (n == 0)
		return SCHED_SKIP;
	armed = s->n_hard > 0 ? s->armed->hard : s->armed->defaults;
	c->code = prepare(c, &c->hard, list, armed, n, true);
	if (c->code != SP_OK)
		return SCHED_FAILED;
	for (size_t i = 0; i < n; i++) {
		eligible(c, c->hard.items[i].c, c->hard.has_keys, c->scratch_bits);
		count_domains(c, &c->hard.items[i], c->scratch_bits);
		find_min(&c->hard.items[i]);
	}
	return SCHED_OK;
}

static bool too_skewed(const sched_spread_one *one, uint32_t d, int64_t change)
{
	int64_t here = (one->count[d] < 0 ? 0 : one->count[d]) + change, min = one->min;
	if (change != 0)
		min = SP_MIN(d == one->min_domain ? one->second : one->min, here);
	if ((int64_t)one->n_existing < one->c->min_domains)
		min = 0;
	return here + one->self - min > one->c->max_skew;
}

static void filter(sched_cycle *c, uint64_t *nodes)
{
	for (size_t i = 0; i < c->hard.n; i++) {
		const sched_spread_one *one = &c->hard.items[i];
		const sched_topology *t = one->topology;
		uint64_t *good = sp_try_new(&c->arena, uint64_t, SCHED_WORDS(t->n_domains) + 1);
		if (good == NULL) {
			c->code = SP_ENOMEM;
			return;
		}
		for (uint32_t d = 0; d < t->n_domains; d++)
			sched_bit_put(good, d, !too_skewed(one, d, 0));
		sched_topology_filter(t, nodes, c->n_words, good, false);
	}
}

static sched_verdict filter_node(sched_cycle *c, uint32_t slot, const sched_overlay *o, sched_status *why)
{
	for (size_t i = 0; i < c->hard.n; i++) {
		const sched_spread_one *one = &c->hard.items[i];
		uint32_t d = one->topology->domain[slot];
		if (d == SCHED_NO_DOMAIN) {
			sched_reason(why, SCHED_UNRESOLVABLE, SCHED_P_POD_TOPOLOGY_SPREAD,
				     SP_STR("node(s) didn't match pod topology spread constraints (missing "
					    "required label)"));
			return SCHED_UNRESOLVABLE;
		}
		if (too_skewed(one, d, o == NULL ? 0 : o->spread[i])) {
			sched_reason(why, SCHED_UNSCHEDULABLE, SCHED_P_POD_TOPOLOGY_SPREAD,
				     SP_STR("node(s) didn't match pod topology spread constraints"));
			return SCHED_UNSCHEDULABLE;
		}
	}
	return SCHED_OK;
}

/*
 * Upstream's dry run counts terminating pods here, and pods under a selector that selects everything, though
 * the counts it starts from do not; decisions have to agree with it.
 */
static void overlay(sched_cycle *c, sched_overlay *o, const sched_pod *pod, int sign)
{
	if (!sp_str_eq(pod->spec->pc->ns->name, c->spec->pc->ns->name) ||
	    !sched_bit(c->hard.has_keys, o->slot))
		return;
	for (size_t i = 0; i < c->hard.n; i++) {
		const sched_spread *k = c->hard.items[i].c;
		if (!sp_labels_match(&k->labels, pod->spec->pc->labels, pod->spec->pc->n_labels) ||
		    (k->honor_affinity && c->need != NULL && !sched_bit(c->need->bits, o->slot)) ||
		    (k->honor_taints && c->taint_blocked != NULL &&
		     c->taint_blocked[c->st->t.taint_class[o->slot]] != 0))
			continue;
		o->spread[i] += sign;
	}
}

/* -- score ---------------------------------------------------------------------------------------------- */

static bool prescore(sched_cycle *c)
{
	sched_spec *s = c->spec;
	const sched_profile *p = c->profile;
	const sched_spread *list = s->weak;
	const sched_armed_one *armed;
	size_t n = s->n_weak;
	c->weak.require_all = s->has_spread || !p->system_spread;
	if (s->has_spread ? n == 0 : p->n_default_spread == p->n_default_spread_hard)
		return false;
	c->code = sched_arm(c->st, s);
	if (c->code == SP_OK && !s->has_spread)
		c->code = sched_arm_defaults(c->st, s, p);
	if (c->code != SP_OK)
		return false;
	armed = s->armed->weak;
	if (!s->has_spread) {
		if (s->armed->n_defaults == 0)
			return false;
		n = s->armed->n_defaults - p->n_default_spread_hard;
		list = s->armed->default_constraints + p->n_default_spread_hard;
		armed = s->armed->defaults + p->n_default_spread_hard;
	}
	c->code = prepare(c, &c->weak, list, armed, n, false);
	return c->code == SP_OK;
}

/* ln(domains + 2): what keeps few large domains from weighing less than many small ones. The domains are
 * those of feasible nodes; the lack of the label is one, too. */
static double weight_of(const sched_cycle *c, const sched_topology *t, const uint64_t *nodes, uint8_t *seen)
{
	size_t size = 0;
	uint64_t lacking = 0;
	if (t->hostname)
		return log((double)(sched_bits_count(nodes, c->n_words) + 2));
	if (sched_has_sets(t))
		return log((double)(__builtin_popcountll(sched_domains_seen(t, nodes, c->n_words)) + 2));
	for (size_t w = 0; w < c->n_words; w++)
		lacking |= nodes[w] & ~t->placed[w];
	for (size_t w = 0; w < c->n_words && size < t->n_live; w++) {
		for (uint64_t left = nodes[w] & t->placed[w]; left != 0; left &= left - 1) {
			uint32_t d = t->domain[w * 64 + (size_t)__builtin_ctzll(left)];
			size += seen[d] == 0;
			seen[d] = 1;
		}
	}
	return log((double)(size + (lacking != 0) + 2));
}

static double part(uint32_t count, double weight, int32_t max_skew)
{
	double weighted = (double)count * weight;
	return weighted + (double)(max_skew - 1);
}

/* What a node in each domain gets for one constraint; the last element is for nodes without the label. */
static double *parts_of(sched_cycle *c, sched_spread_one *one, double weight)
{
	uint32_t n = one->topology->n_domains;
	double *parts = sp_try_new(&c->arena, double, n + 1);
	for (uint32_t d = 0; parts != NULL && d < n; d++)
		parts[d] = part(one->count[d] < 0 ? 0 : (uint32_t)one->count[d], weight, one->c->max_skew);
	return parts;
}

/* Half away from zero; x is not negative. */
static int32_t rounded(double x)
{
	int64_t whole = (int64_t)x;
	return (int32_t)(whole + (x - (double)whole >= 0.5));
}

/* By host name: the pods of each node itself, whatever the policies say. */
static void add_hosts(sched_cycle *c, const sched_spread_one *one, double weight)
{
	for (uint32_t slot = 0; slot < c->st->t.n; slot++) {
		if (one->topology->domain[slot] != SCHED_NO_DOMAIN)
			c->reals[slot] += part(one->group == NULL ? 0 : one->group->node_count[slot], weight,
					       one->c->max_skew);
	}
}

static bool add_constraint(sched_cycle *c, sched_spread_one *one, const uint64_t *scored)
{
	const sched_topology *t = one->topology;
	uint8_t *seen = sp_try_new(&c->arena, uint8_t, t->n_domains + 1);
	if (seen == NULL)
		return false;
	double weight = weight_of(c, t, scored, seen);
	if (t->hostname) {
		add_hosts(c, one, weight);
		return true;
	}
	uint64_t *nodes = c->scratch_bits;
	eligible(c, one->c, c->weak.require_all ? c->weak.has_keys : t->placed, nodes);
	count_domains(c, one, nodes);
	double *parts = parts_of(c, one, weight);
	if (parts != NULL)
		sched_k_gather_f64(c->reals, t->domain, parts, t->n_domains, c->st->t.n);
	return parts != NULL;
}

static int32_t normalised(int32_t v, int32_t min, int32_t max)
{
	return max == 0 ? SCHED_SCORE_MAX : (int32_t)(SCHED_SCORE_MAX * (max + min - v) / max);
}

/* One constraint over few domains: each is worked out once. */
static bool score_by_domain(sched_cycle *c, sched_spread_one *one, const uint64_t *scored, sched_scores *out,
			    int64_t *raw)
{
	const sched_topology *t = one->topology;
	uint64_t seen = sched_domains_seen(t, scored, c->n_words);
	double *parts = NULL;
	int32_t *scores = sp_try_new(&c->arena, int32_t, t->n_domains + 1), min = INT32_MAX, max = 0;
	uint64_t *nodes = c->scratch_bits;
	eligible(c, one->c, c->weak.require_all ? c->weak.has_keys : t->placed, nodes);
	count_domains(c, one, nodes);
	parts = parts_of(c, one, weight_of(c, t, scored, NULL));
	if (parts == NULL || scores == NULL)
		return false;
	for (uint64_t left = seen; left != 0; left &= left - 1) {
		int d = __builtin_ctzll(left);
		scores[d] = rounded(parts[d]);
		min = SP_MIN(min, scores[d]);
		max = SP_MAX(max, scores[d]);
	}
	for (uint32_t slot = 0; raw != NULL && slot < c->st->t.n; slot++)
		raw[slot] = scores[SP_MIN(t->domain[slot], t->n_domains)];
	for (uint64_t left = seen; left != 0; left &= left - 1) {
		int d = __builtin_ctzll(left);
		scores[d] = normalised(scores[d], min, max);
	}
	out->topology = t;
	out->domains = scores;
	return true;
}

/* Sums of each slot, rounded and normalised. */
static bool finish(sched_cycle *c, const uint64_t *scored, int64_t *raw)
{
	size_t n = c->st->t.n;
	int32_t *sum = c->one, *mask = sp_try_new(&c->arena, int32_t, c->n_words * 64);
	uint64_t *of = sp_try_new(&c->arena, uint64_t, c->n_words);
	if (mask == NULL || of == NULL)
		return false;
	sched_k_mask(mask, of, scored, n);
	for (size_t slot = 0; slot < n; slot++)
		sum[slot] = rounded(c->reals[slot]) & mask[slot];
	for (size_t slot = 0; raw != NULL && slot < n; slot++)
		raw[slot] = sum[slot];
	int32_t max = SP_MAX(0, sched_k_max(sum, mask, n)), min = sched_k_min(sum, mask, n);
	/* As a rule there are few different ones. */
	int32_t *table = max >= TABLE_MAX ? NULL : sp_try_new(&c->arena, int32_t, (size_t)max + 1);
	for (int32_t v = min; table != NULL && v <= max; v++)
		table[v] = normalised(v, min, max);
	for (size_t slot = 0; slot < n; slot++)
		sum[slot] = mask[slot] == 0 ? 0
			    : table != NULL ? table[sum[slot]]
					    : normalised(sum[slot], min, max);
	return true;
}

static bool score_by_sum(sched_cycle *c, const uint64_t *scored, sched_scores *out, int64_t *raw)
{
	memset(c->reals, 0, c->st->t.n * sizeof *c->reals);
	for (size_t i = 0; i < c->weak.n; i++) {
		if (!add_constraint(c, &c->weak.items[i], scored))
			return false;
	}
	out->slots = c->one;
	return finish(c, scored, raw);
}

static void score(sched_cycle *c, sched_scores *out, int64_t *raw)
{
	uint64_t *scored = sp_try_new(&c->arena, uint64_t, c->n_words + 1);
	sched_spread_one *first = &c->weak.items[0];
	bool by_domain = c->weak.n == 1 && !first->topology->hostname && sched_has_sets(first->topology);
	for (size_t w = 0; scored != NULL && w < c->n_words; w++)
		scored[w] = c->feasible[w] & (c->weak.require_all ? c->weak.has_keys[w] : UINT64_MAX);
	if (scored == NULL ||
	    !(by_domain ? score_by_domain(c, first, scored, out, raw) : score_by_sum(c, scored, out, raw)))
		c->code = SP_ENOMEM;
}

const sched_plugin sched_pod_topology_spread = {.name = "PodTopologySpread",
						.prefilter = prefilter,
						.filter = filter,
						.filter_node = filter_node,
						.overlay = overlay,
						.prescore = prescore,
						.score = score};
