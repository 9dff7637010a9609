/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "controllers/stateful_set_int.h"

int64_t sts_ordinal(sp_str set, sp_str pod)
{
	int64_t n;
	ptrdiff_t at = sp_str_rindex(pod, '-');
	if (at < 0 || !sp_str_eq(sp_str_sub(pod, 0, (size_t)at), set))
		return -1;
	sp_str digits = sp_str_sub(pod, (size_t)at + 1, pod.len);
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
			return -1;
	}
	return sp_parse_i64(digits, 0, INT32_MAX, &n, NULL) == SP_OK ? n : -1;
}

bool sts_is_made_from_current(const sts_view *v, int64_t ordinal)
{
	int64_t first = v->has_start ? v->start : 0;
	if (v->rolling != NULL)
		return ordinal < first + v->partition;
	return sp_str_eq(v->strategy, SP_STR("RollingUpdate")) && ordinal < first + v->n_current;
}

/* ---- what a pod is ---- */

static bool is_going(const sts_slot *s)
{
	return s->pod != NULL && s->pod->deleted.len > 0;
}

static bool is_running(const sts_slot *s)
{
	return s->pod != NULL && s->pod->is_ready && sp_str_eq(s->pod->phase, SP_STR("Running"));
}

static bool is_available(const sts_rules *r, const sts_slot *s)
{
	return s->pod != NULL && ctl_pod_is_available(s->pod, r->min_ready_s, r->now_s, NULL);
}

static bool is_unavailable(const sts_rules *r, const sts_slot *s)
{
	return !is_available(r, s) || is_going(s);
}

/* Created, as upstream says it: the server gives every pod a phase. */
static bool is_there(const sts_slot *s)
{
	return s->pod != NULL && s->pod->phase.len > 0;
}

/* ---- counting ---- */

static void count(const sts_rules *r, const sts_slot *slots, size_t n, sts_counts *c)
{
	for (size_t i = 0; i < n; i++) {
		const sts_slot *s = &slots[i];
		int64_t wait_s;
		if (!is_there(s))
			continue;
		c->n++;
		c->n_ready += is_running(s);
		c->n_available += is_running(s) && is_available(r, s);
		if (!is_going(s)) {
			c->n_current += sp_str_eq(s->revision, r->current);
			c->n_updated += sp_str_eq(s->revision, r->update);
		}
		(void)ctl_pod_is_available(s->pod, r->min_ready_s, r->now_s, &wait_s);
		if (wait_s > 0 && (c->wait_s == 0 || wait_s < c->wait_s))
			c->wait_s = wait_s;
	}
}

/* ---- one after the other, or all at once ---- */

/* True: nothing behind it may be touched now. */
static bool look_at_replica(const sts_rules *r, sts_slot *s)
{
	if (s->pod != NULL && ctl_pod_is_over(s->pod)) {
		s->act = is_going(s) ? STS_KEEP : STS_DELETE; /* the new one is made when it is gone */
		return true;
	}
	if (!is_there(s)) {
		if (s->pod == NULL && !s->is_stale) {
			s->act = STS_CREATE;
			s->claims = s->owners = true;
		}
		return true;
	}
	if (sp_str_eq(s->pod->phase, SP_STR("Pending")))
		s->claims = s->owners = true;
	if (!r->is_parallel && (is_going(s) || !is_running(s) || !is_available(r, s)))
		return true;
	if (!s->has_identity)
		s->act = STS_FIX;
	s->owners = s->owners || !s->owners_fit;
	return false;
}

static bool look_at_replicas(const sts_rules *r, sts_slot *replicas, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (look_at_replica(r, &replicas[i]) && !r->is_parallel)
			return true;
	}
	return false;
}

static const sts_slot *first_unavailable(const sts_rules *r, const sts_slot *replicas, size_t n,
					 const sts_slot *condemned, size_t n_condemned)
{
	for (size_t i = 0; i < n; i++) {
		if (is_unavailable(r, &replicas[i]))
			return &replicas[i];
	}
	for (size_t i = n_condemned; i > 0; i--) {
		if (is_unavailable(r, &condemned[i - 1]))
			return &condemned[i - 1];
	}
	return NULL;
}

/* True: nothing behind it may be touched now. */
static bool look_at_condemned(const sts_rules *r, sts_slot *s, const sts_slot *sick)
{
	if (is_going(s))
		return true;
	if (r->is_parallel || s == sick || (is_running(s) && is_available(r, s)))
		s->act = STS_DELETE;
	return true;
}

static bool look_at_all_condemned(const sts_rules *r, sts_slot *condemned, size_t n, const sts_slot *sick)
{
	for (size_t i = 0; i < n; i++)
		condemned[i].owners = !condemned[i].owners_fit;
	for (size_t i = 0; i < n; i++) {
		if (look_at_condemned(r, &condemned[i], sick) && !r->is_parallel)
			return true;
	}
	return false;
}

/* ---- rolling updates ---- */

static bool is_old(const sts_rules *r, const sts_slot *s)
{
	return s->pod != NULL && !sp_str_eq(s->revision, r->update) && !is_going(s);
}

static void replace(sts_slot *s, sts_counts *c)
{
	s->act = STS_DELETE;
	c->n_current--;
}

/* The highest that is old; those above it are available. */
static void roll_one(const sts_rules *r, sts_slot *replicas, size_t n, sts_counts *c)
{
	for (size_t i = n; i > 0 && (int64_t)i > r->partition; i--) {
		sts_slot *s = &replicas[i - 1];
		if (is_old(r, s)) {
			replace(s, c);
			return;
		}
		if (is_unavailable(r, s))
			return;
	}
}

static void roll_some(const sts_rules *r, sts_slot *replicas, size_t n, sts_counts *c)
{
	int64_t left = r->max_unavailable;
	for (size_t i = 0; i < n; i++)
		left -= is_unavailable(r, &replicas[i]);
	for (size_t i = n; i > 0 && (int64_t)i > r->partition && left > 0; i--) {
		if (is_old(r, &replicas[i - 1])) {
			replace(&replicas[i - 1], c);
			left--;
		}
	}
}

/* The update is over: what was new is current. */
static void complete(const sts_rules *r, sts_counts *c)
{
	if (r->on_delete || c->n_updated != r->replicas || c->n_ready != r->replicas || c->n != r->replicas)
		return;
	c->n_current = c->n_updated;
	c->current = r->update;
}

void sts_decide(const sts_rules *r, sts_slot *replicas, size_t n, sts_slot *condemned, size_t n_condemned,
		sts_counts *ret)
{
	sts_counts c = {.current = r->current};
	count(r, replicas, n, &c);
	count(r, condemned, n_condemned, &c);
	const sts_slot *sick = first_unavailable(r, replicas, n, condemned, n_condemned);
	bool waits = r->is_going || look_at_replicas(r, replicas, n) ||
		     look_at_all_condemned(r, condemned, n_condemned, sick);
	if (!waits && !r->on_delete) {
		if (r->max_unavailable > 0)
			roll_some(r, replicas, n, &c);
		else
			roll_one(r, replicas, n, &c);
	}
	complete(r, &c);
	*ret = c;
}
