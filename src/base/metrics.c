/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/map.h"

#define VALUE_BYTES_MAX 128u
#define KEY_BYTES_MAX (SP_METRIC_LABELS_MAX * (VALUE_BYTES_MAX + 1))

typedef struct series {
	double value; /* a histogram's sum */
	uint64_t count;
	uint64_t *buckets; /* of a histogram */
	sp_str key;        /* the values, each with a NUL behind it */
	char text[];
} series;

struct sp_metrics {
	const sp_metric_family *families;
	size_t n_families, series_max, dropped, n_series;
	sp_map by_key[]; /* of each family */
};

sp_metrics *sp_metrics_new(const sp_metric_family *families, size_t n, size_t series_max, size_t dropped)
{
	sp_metrics *m = sp_alloc(sizeof *m + n * sizeof m->by_key[0]);
	m->families = families;
	m->n_families = n;
	m->series_max = series_max;
	m->dropped = dropped;
	for (size_t i = 0; i < n; i++)
		sp_map_init(&m->by_key[i]);
	return m;
}

void sp_metric_clear(sp_metrics *m, size_t id)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&m->by_key[id], &i)) != NULL;) {
		series *s = e->value;
		sp_free(s->buckets);
		sp_free(s);
		m->n_series--;
	}
	sp_map_done(&m->by_key[id]);
	sp_map_init(&m->by_key[id]);
}

void sp_metrics_free(sp_metrics *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->n_families; i++) {
		sp_metric_clear(m, i);
		sp_map_done(&m->by_key[i]);
	}
	sp_free(m);
}

static size_t count_labels(const sp_metric_family *f)
{
	size_t n = 0;
	while (n < SP_METRIC_LABELS_MAX && f->labels[n] != NULL)
		n++;
	return n;
}

static sp_str key_of(char room[KEY_BYTES_MAX], const sp_metric_family *f, const sp_str *labels)
{
	size_t at = 0;
	for (size_t i = 0, n = count_labels(f); i < n; i++) {
		size_t len = SP_MIN(labels[i].len, VALUE_BYTES_MAX);
		if (len > 0)
			memcpy(room + at, labels[i].ptr, len);
		at += len;
		room[at++] = '\0';
	}
	return (sp_str){room, at};
}

static series *make(sp_metrics *m, size_t id, sp_str key)
{
	const sp_metric_family *f = &m->families[id];
	bool room = m->n_series < m->series_max || id == m->dropped;
	series *s = room ? sp_try_alloc(sizeof *s + key.len + 1) : NULL;
	if (s == NULL)
		return NULL;
	if (f->type == SP_METRIC_HISTOGRAM &&
	    (s->buckets = sp_try_alloc(f->bounds->n * sizeof *s->buckets)) == NULL) {
		sp_free(s);
		return NULL;
	}
	if (key.len > 0)
		memcpy(s->text, key.ptr, key.len);
	s->key = (sp_str){s->text, key.len};
	if (sp_map_put(&m->by_key[id], s->key, s, NULL) != SP_OK) {
		sp_free(s->buckets);
		sp_free(s);
		return NULL;
	}
	m->n_series++;
	return s;
}

static series *need(sp_metrics *m, size_t id, const sp_str *labels)
{
	char room[KEY_BYTES_MAX];
	sp_str key = key_of(room, &m->families[id], labels);
	series *s = sp_map_get(&m->by_key[id], key);
	if (s == NULL)
		s = make(m, id, key);
	if (s == NULL && id != m->dropped)
		sp_metric_add(m, m->dropped, NULL, 1);
	return s;
}

void sp_metric_add(sp_metrics *m, size_t id, const sp_str *labels, double by)
{
	series *s = need(m, id, labels);
	if (s != NULL)
		s->value += by;
}

void sp_metric_set(sp_metrics *m, size_t id, const sp_str *labels, double to)
{
	series *s = need(m, id, labels);
	if (s != NULL)
		s->value = to;
}

void sp_metric_observe_many(sp_metrics *m, size_t id, const sp_str *labels, double value, uint64_t n)
{
	const sp_metric_bounds *b = m->families[id].bounds;
	series *s = n == 0 ? NULL : need(m, id, labels);
	if (s == NULL)
		return;
	s->value += value * (double)n;
	s->count += n;
	for (size_t i = b->n; i > 0 && value <= b->at[i - 1]; i--)
		s->buckets[i - 1] += n;
}

void sp_metric_observe(sp_metrics *m, size_t id, const sp_str *labels, double value)
{
	sp_metric_observe_many(m, id, labels, value, 1);
}

double sp_metric_get(const sp_metrics *m, size_t id, const sp_str *labels)
{
	char room[KEY_BYTES_MAX];
	const series *s = sp_map_get(&m->by_key[id], key_of(room, &m->families[id], labels));
	if (s == NULL)
		return 0;
	return m->families[id].type == SP_METRIC_HISTOGRAM ? (double)s->count : s->value;
}

/* ---- text ---- */

static void write_escaped(sp_buf *out, sp_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (c == '\n')
			(void)sp_buf_str(out, SP_STR("\\n"));
		else if (c == '"' || c == '\\')
			(void)sp_buf_printf(out, "\\%c", c);
		else
			(void)sp_buf_char(out, c);
	}
}

static void write_number(sp_buf *out, double v)
{
	if (v >= -1e15 && v <= 1e15 && v == (double)(int64_t)v)
		(void)sp_buf_i64(out, (int64_t)v);
	else
		(void)sp_buf_printf(out, "%.9g", v);
}

/* `NAMEsuffix{a="1",le="0.5"} `; le may be NULL. */
static void write_front(sp_buf *out, const sp_metric_family *f, const char *suffix, sp_str key,
			const char *le)
{
	sp_str value;
	const char *between = "{";
	(void)sp_buf_printf(out, "%s%s", f->name, suffix);
	for (size_t i = 0, n = count_labels(f); i < n && sp_str_cut(&key, '\0', &value); i++) {
		(void)sp_buf_printf(out, "%s%s=\"", between, f->labels[i]);
		write_escaped(out, value);
		(void)sp_buf_char(out, '"');
		between = ",";
	}
	if (le != NULL) {
		(void)sp_buf_printf(out, "%sle=\"%s\"", between, le);
		between = ",";
	}
	(void)sp_buf_str(out, between[0] == ',' ? SP_STR("} ") : SP_STR(" "));
}

static void write_histogram(sp_buf *out, const sp_metric_family *f, const series *s)
{
	char le[32];
	for (size_t i = 0; i < f->bounds->n; i++) {
		(void)snprintf(le, sizeof le, "%.10g", f->bounds->at[i]);
		write_front(out, f, "_bucket", s->key, le);
		(void)sp_buf_printf(out, "%llu\n", (unsigned long long)s->buckets[i]);
	}
	write_front(out, f, "_bucket", s->key, "+Inf");
	(void)sp_buf_printf(out, "%llu\n", (unsigned long long)s->count);
	write_front(out, f, "_sum", s->key, NULL);
	write_number(out, s->value);
	(void)sp_buf_char(out, '\n');
	write_front(out, f, "_count", s->key, NULL);
	(void)sp_buf_printf(out, "%llu\n", (unsigned long long)s->count);
}

sp_code sp_metrics_write(const sp_metrics *m, bool slis, sp_buf *out)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	for (size_t id = 0; id < m->n_families; id++) {
		const sp_metric_family *f = &m->families[id];
		const sp_map_entry *e;
		if (f->sli != slis || sp_map_count(&m->by_key[id]) == 0)
			continue;
		(void)sp_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name,
				    types[f->type]);
		for (size_t i = 0; (e = sp_map_next(&m->by_key[id], &i)) != NULL;) {
			const series *s = e->value;
			if (f->type == SP_METRIC_HISTOGRAM) {
				write_histogram(out, f, s);
				continue;
			}
			write_front(out, f, "", s->key, NULL);
			write_number(out, s->value);
			(void)sp_buf_char(out, '\n');
		}
	}
	return sp_buf_code(out);
}
