/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/num.h"
#include "controllers/deployment_int.h"

static bool is_rolling(const dep_run *x)
{
	return sp_str_eq(x->view.strategy, SP_STR("RollingUpdate"));
}

int64_t dep_max_surge(const dep_run *x)
{
	return is_rolling(x) ? ctl_int_or_percent(x->view.max_surge, x->replicas, true) : 0;
}

int64_t dep_max_unavailable(const dep_run *x)
{
	if (!is_rolling(x) || x->replicas == 0)
		return 0;
	int64_t n = ctl_int_or_percent(x->view.max_unavailable, x->replicas, false);
	if (n == 0 && dep_max_surge(x) == 0)
		n = 1; /* nothing would ever move */
	return SP_MIN(n, x->replicas);
}

static int64_t sum_wanted(const dep_run *x)
{
	int64_t n = 0;
	for (size_t i = 0; i < x->n_sets; i++)
		n += x->sets[i].want;
	return n;
}

int64_t dep_new_replicas(const dep_run *x, int64_t now)
{
	if (!is_rolling(x))
		return x->replicas;
	int64_t room = dep_max_replicas(x) - sum_wanted(x), missing = x->replicas - now;
	return room <= 0 ? now : now + SP_MIN(room, missing);
}

/* ---- the number of replicas changed ---- */

static int64_t annotated(const dep_set *s, const char *key, int64_t absent)
{
	int64_t n;
	sp_str text = dep_annotation(s->annotations, key);
	return sp_parse_i64(text, INT32_MIN, INT32_MAX, &n, NULL) == SP_OK ? n : absent;
}

bool dep_is_scaling(const dep_run *x)
{
	for (size_t i = 0; i < x->n_sets; i++) {
		const dep_set *s = &x->sets[i];
		int64_t desired = annotated(s, DEP_DESIRED, -1);
		if (s->replicas > 0 && desired >= 0 && desired != x->replicas)
			return true;
	}
	return false;
}

/* The only one that has replicas; the newest, or the latest old one, when none has. NULL: there are several.
 */
static dep_set *active_or_latest(const dep_run *x)
{
	dep_set *active = NULL;
	for (size_t i = 0; i < x->n_sets; i++) {
		if (x->sets[i].replicas == 0)
			continue;
		if (active != NULL)
			return NULL;
		active = &x->sets[i];
	}
	if (active != NULL || x->newest != NULL)
		return active != NULL ? active : x->newest;
	return x->n_old > 0 ? x->old[x->n_old - 1] : NULL;
}

static bool is_saturated(const dep_run *x)
{
	const dep_set *s = x->newest;
	return s != NULL && s->replicas == x->replicas && annotated(s, DEP_DESIRED, -1) == x->replicas &&
	       s->n_available == x->replicas;
}

/* Its share of what is added or taken away. */
static int64_t fraction(const dep_run *x, const dep_set *s)
{
	if (x->replicas == 0)
		return -s->replicas;
	int64_t max = dep_max_replicas(x), before = annotated(s, DEP_MAX, x->view.n);
	if (before <= 0)
		before = x->view.n > 0 ? x->view.n : 1;
	int64_t twice = 2 * s->replicas * max / before; /* rounded half up */
	return (twice + 1) / 2 - s->replicas;
}

static int by_size(const void *a, const void *b)
{
	const dep_set *p = *(dep_set *const *)a, *q = *(dep_set *const *)b;
	return (q->replicas > p->replicas) - (q->replicas < p->replicas);
}

static int by_size_newer(const void *a, const void *b)
{
	const dep_set *p = *(dep_set *const *)a, *q = *(dep_set *const *)b;
	int d = by_size(a, b);
	return d != 0 ? d : sp_str_cmp(q->created, p->created);
}

static int by_size_older(const void *a, const void *b)
{
	const dep_set *p = *(dep_set *const *)a, *q = *(dep_set *const *)b;
	int d = by_size(a, b);
	return d != 0 ? d : sp_str_cmp(p->created, q->created);
}

static void scale_in_proportion(dep_run *x)
{
	dep_set **active = sp_try_new(x->job->arena, dep_set *, x->n_sets + 1);
	size_t n = 0;
	int64_t sum = 0, added = 0;
	for (size_t i = 0; i < x->n_sets && active != NULL; i++) {
		if (x->sets[i].replicas > 0) {
			sum += x->sets[i].replicas;
			active[n++] = &x->sets[i];
		}
	}
	int64_t to_add = (x->replicas > 0 ? dep_max_replicas(x) : 0) - sum;
	if (n == 0)
		return;
	qsort(active, n, sizeof(void *), to_add > 0 ? by_size_newer : by_size_older);
	for (size_t i = 0; i < n; i++) {
		int64_t rest = to_add - added, share = fraction(x, active[i]);
		if (to_add == 0 || rest == 0)
			share = 0;
		else
			share = to_add > 0 ? SP_MIN(share, rest) : SP_MAX(share, rest);
		active[i]->want = active[i]->replicas + share;
		active[i]->touch = true;
		added += share;
	}
	if (to_add != 0)
		active[0]->want = SP_MAX(active[0]->want + to_add - added, INT64_C(0));
}

void dep_scale(dep_run *x)
{
	dep_set *only = active_or_latest(x);
	if (only != NULL) {
		if (only->replicas != x->replicas)
			only->want = x->replicas;
		return;
	}
	if (is_saturated(x)) {
		for (size_t i = 0; i < x->n_old; i++)
			x->old[i]->want = 0;
		return;
	}
	if (is_rolling(x))
		scale_in_proportion(x);
}

/* ---- rolling ---- */

static bool roll_newest(dep_run *x)
{
	dep_set *s = x->newest;
	if (s == NULL || s->replicas == x->replicas)
		return false;
	s->want = s->replicas > x->replicas ? x->replicas : dep_new_replicas(x, s->replicas);
	return s->want != s->replicas;
}

/* Old replicas that are not available anyway go first. */
static int64_t drop_unhealthy(dep_run *x, int64_t most)
{
	int64_t n = 0;
	for (size_t i = 0; i < x->n_old && n < most; i++) {
		dep_set *s = x->old[i];
		int64_t count = SP_MIN(most - n, s->want - s->n_available);
		if (s->want == 0 || count <= 0)
			continue;
		s->want -= count;
		n += count;
	}
	return n;
}

static int64_t drop_available(dep_run *x, int64_t min_available)
{
	int64_t n = 0, available = 0;
	/* Those of a set beyond what it is to have go, whatever its status, which comes later, says. */
	for (size_t i = 0; i < x->n_sets; i++)
		available += SP_MIN(x->sets[i].n_available, x->sets[i].want);
	int64_t most = available - min_available;
	for (size_t i = 0; i < x->n_old && n < most; i++) {
		dep_set *s = x->old[i];
		int64_t count = SP_MIN(s->want, most - n);
		s->want -= count;
		n += count;
	}
	return n;
}

static bool roll_old(dep_run *x)
{
	int64_t old = 0, all = sum_wanted(x), min_available = x->replicas - dep_max_unavailable(x);
	for (size_t i = 0; i < x->n_old; i++)
		old += x->old[i]->want;
	if (old == 0)
		return false;
	int64_t unavailable = x->newest == NULL ? 0 : x->newest->replicas - x->newest->n_available;
	int64_t most = all - min_available - unavailable;
	if (most <= 0)
		return false;
	int64_t n = drop_unhealthy(x, most);
	return drop_available(x, min_available) + n > 0;
}

bool dep_roll(dep_run *x)
{
	return roll_newest(x) || roll_old(x);
}

/* ---- all at once ---- */

static bool old_pods_run(const dep_run *x)
{
	const sp_object *o;
	for (size_t i = 0; i < x->n_old; i++) {
		sp_index_at at = sp_informer_find(x->d->pods, x->d->pods_by_owner, x->old[i]->object->uid);
		while ((o = sp_index_next(&at)) != NULL) {
			ctl_pod p;
			if (ctl_pod_read(x->job->arena, o, &p, NULL) != SP_OK || !ctl_pod_is_over(&p))
				return true;
		}
	}
	return false;
}

bool dep_recreate(dep_run *x, bool *ret_create)
{
	bool any = false;
	*ret_create = false;
	for (size_t i = 0; i < x->n_old; i++) {
		any = any || x->old[i]->replicas > 0;
		x->old[i]->want = 0;
	}
	if (any || old_pods_run(x))
		return true;
	*ret_create = x->newest == NULL;
	if (x->newest != NULL && x->newest->replicas != x->replicas) {
		x->newest->want = x->replicas;
		return true;
	}
	return x->newest == NULL;
}

/* ---- the end of a rollout ---- */

bool dep_is_complete(const dep_run *x, const dep_counts *c)
{
	return c->n_updated == x->replicas && c->n == x->replicas && c->n_available == x->replicas;
}

static int by_revision(const void *a, const void *b)
{
	const dep_set *p = *(dep_set *const *)a, *q = *(dep_set *const *)b;
	if (p->revision != q->revision)
		return p->revision < q->revision ? -1 : 1;
	return sp_str_cmp(p->created, q->created);
}

/* Old ones beyond the history that have nothing left. */
sp_code dep_clean_up(dep_run *x, sp_err *err)
{
	if (!x->view.has_history || x->view.history >= INT32_MAX)
		return SP_OK;
	dep_set **alive = sp_try_new(x->job->arena, dep_set *, x->n_old + 1);
	size_t n = 0;
	if (alive == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for %zu sets", x->n_old);
	for (size_t i = 0; i < x->n_old; i++) {
		if (x->old[i]->deleted.len == 0)
			alive[n++] = x->old[i];
	}
	if ((int64_t)n <= x->view.history)
		return SP_OK;
	qsort(alive, n, sizeof(void *), by_revision);
	for (size_t i = 0; i < n - (size_t)x->view.history; i++) {
		dep_set *s = alive[i];
		s->drop = s->n == 0 && s->replicas == 0 && s->generation <= s->observed;
	}
	return SP_OK;
}
