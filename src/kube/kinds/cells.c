/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/cells.h"

#include <stdarg.h>
#include <stdio.h>

yyjson_mut_val *sp_cell_str(sp_kind_ctx *c, sp_str text)
{
	return yyjson_mut_strncpy(c->doc, text.len > 0 ? text.ptr : "", text.len);
}

yyjson_mut_val *sp_cell_or_none(sp_kind_ctx *c, sp_str text)
{
	return sp_cell_str(c, text.len > 0 ? text : SP_STR("<none>"));
}

yyjson_mut_val *sp_cell_i64(sp_kind_ctx *c, int64_t n)
{
	return yyjson_mut_sint(c->doc, n);
}

yyjson_mut_val *sp_cell_buf(sp_kind_ctx *c, const sp_buf *buf)
{
	return sp_buf_code(buf) == SP_OK ? sp_cell_str(c, sp_buf_view(buf)) : NULL;
}

yyjson_mut_val *sp_cell_printf(sp_kind_ctx *c, const char *fmt, ...)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, c->arena->limit_bytes);
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	char *p = n > 0 ? sp_buf_reserve(&out, (size_t)n + 1) : NULL;
	if (p != NULL) {
		(void)vsnprintf(p, (size_t)n + 1, fmt, again);
		sp_buf_added(&out, (size_t)n);
	}
	va_end(again);
	va_end(ap);
	return sp_cell_buf(c, &out);
}

/* "AuBv", or "Au" when the rest is nothing. */
static int two(char *out, int64_t a, char unit_a, int64_t b, char unit_b)
{
	if (b == 0)
		return snprintf(out, SP_AGE_BYTES, "%lld%c", (long long)a, unit_a);
	return snprintf(out, SP_AGE_BYTES, "%lld%c%lld%c", (long long)a, unit_a, (long long)b, unit_b);
}

size_t sp_age_print(char out[SP_AGE_BYTES], int64_t seconds)
{
	int64_t minutes = seconds / 60, hours = seconds / 3600, days = hours / 24;
	int n;
	if (seconds < 0)
		n = snprintf(out, SP_AGE_BYTES, "%s", seconds < -1 ? "<invalid>" : "0s");
	else if (seconds < 120)
		n = two(out, seconds, 's', 0, ' ');
	else if (minutes < 10)
		n = two(out, minutes, 'm', seconds % 60, 's');
	else if (minutes < 180)
		n = two(out, minutes, 'm', 0, ' ');
	else if (hours < 8)
		n = two(out, hours, 'h', minutes % 60, 'm');
	else if (hours < 48)
		n = two(out, hours, 'h', 0, ' ');
	else if (hours < 192)
		n = two(out, days, 'd', hours % 24, 'h');
	else if (days < 730)
		n = two(out, days, 'd', 0, ' ');
	else if (days < 2920)
		n = two(out, days / 365, 'y', days % 365, 'd');
	else
		n = two(out, days / 365, 'y', 0, ' ');
	return n > 0 ? (size_t)n : 0;
}

sp_str sp_age_since(sp_kind_ctx *c, sp_str when)
{
	char text[SP_AGE_BYTES];
	sp_time t;
	if (when.len == 0 || sp_time_parse(when, &t, NULL) != SP_OK)
		return SP_STR("<unknown>");
	int64_t seconds = c->now.seconds - t.seconds;
	/* Go cuts towards zero: a fraction more keeps a whole second back */
	if (seconds > 0 && c->now.nanos < t.nanos)
		seconds--;
	size_t n = sp_age_print(text, seconds);
	return sp_arena_try_dup(c->arena, (sp_str){text, n});
}

yyjson_mut_val *sp_cell_age(sp_kind_ctx *c, sp_str when)
{
	return sp_cell_str(c, sp_age_since(c, when));
}

static int cmp_strs(const void *a, const void *b)
{
	return sp_str_cmp(*(const sp_str *)a, *(const sp_str *)b);
}

/* Appends the texts, sorted, with a separator. */
static void join_sorted(sp_buf *out, sp_str *texts, size_t n, const char *sep)
{
	qsort(texts, n, sizeof(*texts), cmp_strs);
	for (size_t i = 0; i < n; i++) {
		(void)sp_buf_str(out, i > 0 ? sp_str_c(sep) : SP_STR(""));
		(void)sp_buf_str(out, texts[i]);
	}
}

/* One requirement: "k in (a,b)", "k notin (a)", "k", "!k". */
static sp_str requirement(sp_arena *a, yyjson_mut_val *expr)
{
	sp_str key = sp_kv_str(expr, "key");
	yyjson_mut_val *values = sp_kv_list(expr, "values");
	bool in = sp_kv_is(expr, "operator", "In"), not_in = sp_kv_is(expr, "operator", "NotIn");
	if (!in && !not_in)
		return sp_arena_printf(a, "%s" SP_FMT, sp_kv_is(expr, "operator", "DoesNotExist") ? "!" : "",
				       SP_ARG(key));
	sp_str *texts = sp_try_new(a, sp_str, sp_kv_len(values));
	SP_AUTO_BUF list;
	sp_buf_init(&list, a->limit_bytes);
	SP_KV_EACH (val, i, values) {
		if (texts != NULL)
			texts[i] = sp_jmut_str(val);
	}
	if (texts != NULL)
		join_sorted(&list, texts, sp_kv_len(values), ",");
	sp_str all = sp_buf_view(&list);
	return sp_arena_printf(a, SP_FMT " %s (" SP_FMT ")", SP_ARG(key), in ? "in" : "notin", SP_ARG(all));
}

/* Requirements stand sorted by key; sorting their texts comes to the same except for odd keys. */
static yyjson_mut_val *requirements(sp_kind_ctx *c, yyjson_mut_val *labels, yyjson_mut_val *exprs)
{
	size_t n = sp_kv_len(labels), n_all = n + sp_kv_len(exprs);
	sp_str *texts = sp_try_new(c->arena, sp_str, n_all);
	SP_AUTO_BUF out;
	sp_buf_init(&out, c->arena->limit_bytes);
	if (n_all == 0)
		return sp_cell_str(c, SP_STR("<none>"));
	if (texts == NULL)
		return NULL;
	SP_KV_EACH_MEMBER (key, val, i, labels) {
		sp_str k = sp_jmut_str(key), s = sp_jmut_str(val);
		texts[i] = sp_arena_printf(c->arena, SP_FMT "=" SP_FMT, SP_ARG(k), SP_ARG(s));
	}
	SP_KV_EACH (expr, i, exprs)
		texts[n + i] = requirement(c->arena, expr);
	join_sorted(&out, texts, n_all, ",");
	return sp_cell_buf(c, &out);
}

yyjson_mut_val *sp_cell_labels(sp_kind_ctx *c, yyjson_mut_val *labels)
{
	return requirements(c, yyjson_mut_is_obj(labels) ? labels : NULL, NULL);
}

yyjson_mut_val *sp_cell_selector(sp_kind_ctx *c, yyjson_mut_val *selector)
{
	return requirements(c, sp_kv_map(selector, "matchLabels"), sp_kv_list(selector, "matchExpressions"));
}

yyjson_mut_val *sp_cell_joined(sp_kind_ctx *c, yyjson_mut_val *list, const char *member)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, c->arena->limit_bytes);
	SP_KV_EACH (item, i, list) {
		(void)sp_buf_str(&out, i > 0 ? SP_STR(",") : SP_STR(""));
		(void)sp_buf_str(&out, sp_kv_str(item, member));
	}
	return sp_cell_buf(c, &out);
}
