/* SPDX-License-Identifier: Apache-2.0 */
/* The characters that a program cannot tell apart, as symbols of an automaton. */
#include "kube/regex/regex_int.h"

#define INTERVALS_MAX 4096u
#define SYMBOLS_MAX 250u
#define WORK_MAX 2000000u /* classes times intervals */

static const re_range word_ranges[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
static const re_range line_ranges[] = {{'\n', '\n'}};
static const re_class word_class = {
	word_ranges, SP_LEN(word_ranges), {0x03ff000000000000, 0x07fffffe87fffffe}};
static const re_class line_class = {line_ranges, SP_LEN(line_ranges), {1u << '\n', 0}};

typedef struct maker {
	sp_arena *tmp;
	re_set points; /* first characters of the intervals */
	re_set runes;  /* characters that instructions name alone */
	uint32_t *from;
	uint16_t *of, *total, *inside, *renamed;
	uint32_t n_intervals, n;
} maker;

static void add_points(maker *m, const re_class *k)
{
	for (uint32_t i = 0; i < k->n; i++) {
		re_set_add(&m->points, k->ranges[i].lo, k->ranges[i].lo);
		if (k->ranges[i].hi < SP_RUNE_MAX)
			re_set_add(&m->points, k->ranges[i].hi + 1, k->ranges[i].hi + 1);
	}
}

static void collect(maker *m, const sp_regex *re)
{
	re_set_add(&m->points, 0, 0);
	for (uint32_t i = 0; i < re->n_classes; i++)
		add_points(m, &re->classes[i]);
	for (uint32_t i = 0; i < re->n_insts; i++) {
		uint32_t c = re->insts[i].arg;
		if (re->insts[i].op != RE_I_RUNE)
			continue;
		re_set_add(&m->runes, c, c);
		re_set_add(&m->points, c, c);
		if (c < SP_RUNE_MAX)
			re_set_add(&m->points, c + 1, c + 1);
	}
	if ((re->asserts & (RE_WORD | RE_NO_WORD)) != 0)
		add_points(m, &word_class);
	if ((re->asserts & (RE_BEGIN_LINE | RE_END_LINE)) != 0)
		add_points(m, &line_class);
	re_set_clean(&m->points);
	re_set_clean(&m->runes);
}

/* The intervals, at first of two kinds of symbols: one for each single character, 0 for the others. */
static bool begin(maker *m)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < m->points.n; i++)
		n += m->points.items[i].hi - m->points.items[i].lo + 1;
	m->n_intervals = n;
	if (n > INTERVALS_MAX)
		return true;
	m->from = sp_try_new(m->tmp, uint32_t, n);
	m->of = sp_try_new(m->tmp, uint16_t, n);
	m->total = sp_try_new(m->tmp, uint16_t, INTERVALS_MAX + 2);
	m->inside = sp_try_new(m->tmp, uint16_t, INTERVALS_MAX + 2);
	m->renamed = sp_try_new(m->tmp, uint16_t, INTERVALS_MAX + 2);
	if (m->from == NULL || m->of == NULL || m->total == NULL || m->inside == NULL || m->renamed == NULL)
		return false;
	n = 0;
	for (uint32_t i = 0; i < m->points.n; i++) {
		for (uint32_t c = m->points.items[i].lo; c <= m->points.items[i].hi; c++)
			m->from[n++] = c;
	}
	m->n = 1;
	for (uint32_t i = 0; i < n; i++) {
		if (re_ranges_have(m->runes.items, m->runes.n, m->from[i]))
			m->of[i] = (uint16_t)m->n++;
	}
	return true;
}

/* Symbols that lie partly in the class are split. Every interval is one symbol at most, so numbers suffice.
 */
static void split(maker *m, const re_class *k)
{
	memset(m->total, 0, (m->n + 1) * sizeof(*m->total));
	memset(m->inside, 0, (m->n + 1) * sizeof(*m->inside));
	for (uint32_t i = 0; i < m->n_intervals; i++) {
		m->total[m->of[i]]++;
		m->inside[m->of[i]] = (uint16_t)(m->inside[m->of[i]] + re_class_has(k, m->from[i]));
	}
	uint32_t before = m->n;
	for (uint32_t s = 0; s < before; s++)
		m->renamed[s] = (uint16_t)(m->inside[s] > 0 && m->inside[s] < m->total[s] ? m->n++ : s);
	for (uint32_t i = 0; i < m->n_intervals && m->n > before; i++) {
		if (re_class_has(k, m->from[i]))
			m->of[i] = m->renamed[m->of[i]];
	}
}

static bool keep(const maker *m, re_symbols *s, sp_arena *a)
{
	uint8_t *of = sp_try_new(a, uint8_t, m->n_intervals);
	uint32_t *from = sp_try_new(a, uint32_t, m->n_intervals), *sample = sp_try_new(a, uint32_t, m->n + 1);
	if (of == NULL || from == NULL || sample == NULL)
		return false;
	memcpy(from, m->from, m->n_intervals * sizeof(*from));
	for (uint32_t i = 0; i < m->n_intervals; i++) {
		of[i] = (uint8_t)m->of[i];
		sample[of[i]] = from[i];
		uint32_t to = i + 1 < m->n_intervals ? from[i + 1] : 128;
		for (uint32_t c = from[i]; c < to && c < 128; c++)
			s->ascii[c] = of[i];
	}
	sample[m->n] = RE_NO_CHAR;
	s->from = from;
	s->of = of;
	s->sample = sample;
	s->n_intervals = m->n_intervals;
	s->n = m->n + 1;
	return true;
}

bool re_symbols_make(sp_regex *re, sp_arena *a, sp_arena *tmp)
{
	maker m = {.tmp = tmp, .points = {.arena = tmp}, .runes = {.arena = tmp}};
	collect(&m, re);
	if (m.points.failed || m.runes.failed || !begin(&m))
		return false;
	if (m.n_intervals > INTERVALS_MAX || m.n > SYMBOLS_MAX ||
	    (uint64_t)m.n_intervals * (re->n_classes + 2) > WORK_MAX)
		return true;
	for (uint32_t i = 0; i < re->n_classes && m.n <= SYMBOLS_MAX; i++)
		split(&m, &re->classes[i]);
	if ((re->asserts & (RE_WORD | RE_NO_WORD)) != 0)
		split(&m, &word_class);
	if ((re->asserts & (RE_BEGIN_LINE | RE_END_LINE)) != 0)
		split(&m, &line_class);
	return m.n > SYMBOLS_MAX || keep(&m, &re->symbols, a);
}
