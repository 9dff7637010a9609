/* SPDX-License-Identifier: Apache-2.0 */
/* Thresholds out of kubelet's settings. */
#include "base/duration.h"
#include "node/eviction.h"

/* Signals that upstream takes and that do nothing here. */
#define SIGNAL_IGNORED NODE_SIGNAL_COUNT_

static const struct {
	sp_str name;
	node_signal signal;
} signals[] = {
	{SP_STR_INIT("memory.available"), NODE_SIGNAL_MEMORY},
	{SP_STR_INIT("nodefs.available"), NODE_SIGNAL_NODEFS},
	{SP_STR_INIT("nodefs.inodesFree"), NODE_SIGNAL_NODEFS_INODES},
	{SP_STR_INIT("imagefs.available"), NODE_SIGNAL_IMAGEFS},
	{SP_STR_INIT("imagefs.inodesFree"), NODE_SIGNAL_IMAGEFS_INODES},
	{SP_STR_INIT("pid.available"), NODE_SIGNAL_PIDS},
	{SP_STR_INIT("allocatableMemory.available"), SIGNAL_IGNORED},
	{SP_STR_INIT("containerfs.available"), SIGNAL_IGNORED},
	{SP_STR_INIT("containerfs.inodesFree"), SIGNAL_IGNORED},
};

sp_str node_signal_name(node_signal s)
{
	return signals[s].name; /* the first ones are in their order */
}

/* One "signal<value" of a list. */
typedef struct pair {
	sp_str name, value;
	node_signal signal;
} pair;

/* False at the end, or with an error. */
static bool next(sp_str *rest, char sep, pair *ret, sp_code *code, sp_err *err)
{
	sp_str item = {NULL, 0};
	while (item.len == 0) {
		if (rest->len == 0)
			return false;
		if (!sp_str_cut(rest, ',', &item)) {
			item = *rest;
			rest->len = 0;
		}
		item = sp_str_trim(item);
	}
	ret->value = item;
	if (!sp_str_cut(&ret->value, sep, &ret->name)) {
		*code = sp_fail(err, SP_EINVAL, "malformed pair, expect string%cstring", sep);
		return false;
	}
	ret->name = sp_str_trim(ret->name);
	ret->value = sp_str_trim(ret->value);
	for (size_t i = 0; i < SP_LEN(signals); i++) {
		if (sp_str_eq(signals[i].name, ret->name)) {
			ret->signal = signals[i].signal;
			return true;
		}
	}
	*code = sp_fail(err, SP_EINVAL, "unsupported eviction signal " SP_FMT, SP_ARG(ret->name));
	return false;
}

/* "10%", with *ret_is_part, or a quantity. */
static sp_code parse_level(const pair *p, node_level *ret, sp_err *err)
{
	sp_str text = p->value;
	*ret = (node_level){.is_part = sp_str_ends(text, SP_STR("%"))};
	if (ret->is_part)
		text.len--;
	SP_TRY(sp_qty_parse(text, &ret->quantity, err));
	if (ret->is_part)
		ret->part = (float)((double)ret->quantity.nanos / 1e9) / 100.0f;
	return SP_OK;
}

static sp_code add_threshold(const pair *p, bool is_soft, node_eviction *ret, sp_err *err)
{
	node_threshold t = {.signal = p->signal, .grace_ns = is_soft ? -1 : 0};
	if (sp_str_eq(p->value, SP_STR("0%")) || sp_str_eq(p->value, SP_STR("100%")))
		return SP_OK; /* never */
	SP_TRY(parse_level(p, &t.value, err));
	if (t.value.is_part && t.value.quantity.nanos < 0)
		return sp_fail(err, SP_EINVAL,
			       "eviction percentage threshold " SP_FMT " must be >= 0%%: " SP_FMT,
			       SP_ARG(p->name), SP_ARG(p->value));
	if (t.value.is_part && t.value.part > 1)
		return sp_fail(err, SP_EINVAL,
			       "eviction percentage threshold " SP_FMT " must be <= 100%%: " SP_FMT,
			       SP_ARG(p->name), SP_ARG(p->value));
	if (!t.value.is_part && t.value.quantity.nanos <= 0)
		return sp_fail(err, SP_EINVAL, "eviction threshold " SP_FMT " must be positive: " SP_FMT,
			       SP_ARG(p->name), SP_ARG(p->value));
	if (p->signal == SIGNAL_IGNORED)
		return SP_OK;
	if (ret->n == NODE_THRESHOLDS_MAX)
		return sp_fail(err, SP_ETOOLARGE, "too many eviction thresholds");
	ret->at[ret->n++] = t;
	return SP_OK;
}

static sp_code parse_thresholds(sp_str text, bool is_soft, node_eviction *ret, sp_err *err)
{
	sp_code code = SP_OK;
	pair p;
	while (code == SP_OK && next(&text, '<', &p, &code, err))
		code = add_threshold(&p, is_soft, ret, err);
	return code;
}

static sp_code parse_graces(sp_str text, node_eviction *ret, sp_err *err)
{
	sp_code code = SP_OK;
	pair p;
	while (next(&text, '=', &p, &code, err)) {
		int64_t ns;
		SP_TRY(sp_duration_parse(p.value, &ns, err));
		if (ns < 0)
			return sp_fail(err, SP_EINVAL,
				       "invalid eviction grace period specified: " SP_FMT
				       ", must be a positive value",
				       SP_ARG(p.value));
		for (size_t i = 0; i < ret->n; i++) {
			if (ret->at[i].grace_ns != 0 && ret->at[i].signal == p.signal)
				ret->at[i].grace_ns = ns;
		}
	}
	SP_TRY(code);
	for (size_t i = 0; i < ret->n; i++) {
		if (ret->at[i].grace_ns < 0)
			return sp_fail(
				err, SP_EINVAL,
				"grace period must be specified for the soft eviction threshold " SP_FMT,
				SP_ARG(node_signal_name(ret->at[i].signal)));
	}
	return SP_OK;
}

static sp_code parse_reclaims(sp_str text, node_eviction *ret, sp_err *err)
{
	sp_code code = SP_OK;
	pair p;
	while (next(&text, '=', &p, &code, err)) {
		node_level l;
		SP_TRY(parse_level(&p, &l, err));
		if (l.is_part && l.part <= 0)
			return sp_fail(err, SP_EINVAL,
				       "eviction percentage minimum reclaim " SP_FMT
				       " must be positive: " SP_FMT,
				       SP_ARG(p.name), SP_ARG(p.value));
		if (l.quantity.nanos < 0)
			return sp_fail(err, SP_EINVAL,
				       "negative eviction minimum reclaim specified for " SP_FMT,
				       SP_ARG(p.name));
		for (size_t i = 0; i < ret->n; i++) {
			if (ret->at[i].signal == p.signal) {
				ret->at[i].reclaim = l;
				ret->at[i].has_reclaim = true;
			}
		}
	}
	return code;
}

sp_code node_eviction_parse(const node_eviction_texts *t, node_eviction *ret, sp_err *err)
{
	node_eviction e = {.max_grace_s = ret->max_grace_s, .transition_ns = ret->transition_ns};
	SP_TRY(parse_thresholds(t->hard, false, &e, err));
	SP_TRY(parse_thresholds(t->soft, true, &e, err));
	SP_TRY(parse_graces(t->soft_grace, &e, err));
	SP_TRY(parse_reclaims(t->reclaim, &e, err));
	*ret = e;
	return SP_OK;
}

int64_t node_level_value(const node_level *l, int64_t capacity)
{
	return l->is_part ? (int64_t)((double)capacity * (double)l->part) : sp_qty_value(&l->quantity);
}

int64_t node_eviction_kept(const node_eviction *e, node_signal s, int64_t capacity)
{
	int64_t kept = 0;
	for (size_t i = 0; i < e->n; i++) {
		if (e->at[i].signal == s && e->at[i].grace_ns == 0)
			kept = node_level_value(&e->at[i].value, capacity);
	}
	return SP_MIN(kept, capacity);
}
