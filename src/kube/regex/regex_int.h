/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of kube/regex: sets of characters, the syntax tree, the program and its machines. */
#pragma once

#include "base/map.h"
#include "base/utf8.h"
#include "kube/regex.h"

/* -- characters: range.c, unicode.c --------------------------------------------------------------------- */

typedef struct re_range {
	uint32_t lo, hi;
} re_range;

/* A set under construction. Ranges are in any order and may overlap until re_set_clean. */
typedef struct re_set {
	sp_arena *arena;
	re_range *items;
	uint32_t n, cap;
	bool failed; /* no room: the set is worthless */
} re_set;

void re_set_add(re_set *s, uint32_t lo, uint32_t hi);
/* The same with everything that simple case folding makes equal. */
void re_set_add_fold(re_set *s, uint32_t lo, uint32_t hi);
/* Adds all of a clean `other`, or all but it. */
void re_set_add_set(re_set *s, const re_set *other, bool negated);
/* Sorts; joins what overlaps or touches. */
void re_set_clean(re_set *s);
/* Of a clean set. */
void re_set_negate(re_set *s);
/* Sorted ranges that do not touch. */
bool re_ranges_have(const re_range *r, uint32_t n, uint32_t c);

/* The next character of c's orbit under simple folding; c itself when it has none. U: unicode.SimpleFold. */
uint32_t re_fold_next(uint32_t c);
/* Calls fn for each character of [lo, hi] whose orbit has others. */
void re_fold_each(uint32_t lo, uint32_t hi, void (*fn)(void *arg, uint32_t c), void *arg);
/*
 * Adds the characters of a property ("Lu", "Greek", "letter": Go's forms of names) to the set, with `fold`
 * their case variants too. False: no such property.
 */
bool re_unicode_add(re_set *s, sp_str name, bool fold);

/* A finished set; equal sets are one class. */
typedef struct re_class {
	const re_range *ranges;
	uint32_t n;
	uint64_t ascii[2]; /* the same for the first 128 characters */
} re_class;

static inline bool re_class_has(const re_class *k, uint32_t c)
{
	return c < 128 ? (k->ascii[c >> 6] >> (c & 63) & 1) != 0 : re_ranges_have(k->ranges, k->n, c);
}

/* -- syntax tree: parse.c, escape.c --------------------------------------------------------------------- */

typedef enum re_node_op {
	RE_N_EMPTY,
	RE_N_RUNE,   /* arg: the character */
	RE_N_CLASS,  /* arg: index of the class */
	RE_N_ASSERT, /* arg: RE_… bits */
	RE_N_GROUP,  /* arg: number of the group */
	RE_N_STAR,
	RE_N_PLUS,
	RE_N_QUEST,
	RE_N_REPEAT,
	RE_N_CONCAT,
	RE_N_ALT,
} re_node_op;

/* What an assertion asks of the place between two characters. */
enum {
	RE_BEGIN_LINE = 1u << 0,
	RE_END_LINE = 1u << 1,
	RE_BEGIN_TEXT = 1u << 2,
	RE_END_TEXT = 1u << 3,
	RE_WORD = 1u << 4,
	RE_NO_WORD = 1u << 5,
};

/* A literal's kind: runs of one kind count as one node of the tree, as in Go. */
enum { RE_LIT_NONE = 0, RE_LIT_EXACT, RE_LIT_FOLD };

typedef struct re_node re_node;
struct re_node {
	uint8_t op, lit;
	bool lazy;
	int16_t min, max; /* REPEAT; max -1: without end */
	uint16_t height;
	uint32_t arg;
	uint64_t size;  /* instructions, as Go counts them */
	re_node *first; /* first or only child */
	re_node *next;  /* sibling */
};

/* Parser flags. */
enum {
	RE_FOLD = 1u << 0,
	RE_MULTI_LINE = 1u << 1,
	RE_DOT_NL = 1u << 2,
	RE_SWAP_GREED = 1u << 3,
};

#define RE_REPEAT_MAX 1000
#define RE_HEIGHT_MAX 1000u
#define RE_SIZE_MAX 3355443u   /* instructions of a Go program in 128 MiB */
#define RE_RUNES_MAX 33554432u /* characters of Go's classes in 128 MiB; a range counts two */

typedef struct re_frame re_frame;

typedef struct re_parser {
	sp_arena *arena; /* of the compilation, gone after it */
	sp_str whole, rest;
	unsigned flags;
	re_frame *frame;
	uint32_t n_groups;
	sp_str *names; /* by group number */
	uint32_t cap_names;
	re_class *classes;
	uint32_t n_classes, cap_classes;
	sp_map class_index; /* bytes of the ranges → class number + 1 */
	re_set set, other;  /* work room */
	uint64_t n_runes;
	sp_code code; /* SP_EINVAL: refused with `what` and `expr`; SP_ETOOLARGE: no room */
	const char *what;
	sp_str expr;
} re_parser;

/* The tree, or NULL with p->code. `p` is zeroed but for arena and whole; its map is the caller's to release.
 */
re_node *re_parse(re_parser *p);

/* For escape.c. All return false after an error. */
bool re_refuse(re_parser *p, const char *what, sp_str expr);
bool re_next_rune(re_parser *p, sp_str *in, uint32_t *ret);
/* "\…" at the front of *in that stands for one character. */
bool re_escape(re_parser *p, sp_str *in, uint32_t *ret);
/* "\d", "\pL", "[:alpha:]" at the front of *in: added to the set; *ret_taken tells whether there was one. */
bool re_escape_class(re_parser *p, sp_str *in, re_set *out, bool *ret_taken);
/* "[…]" at the front of *in: the set is p->set, clean. */
bool re_bracket(re_parser *p, sp_str *in);

/* -- program: compile.c --------------------------------------------------------------------------------- */

typedef enum re_op {
	RE_I_MATCH,
	RE_I_RUNE,  /* arg: the character */
	RE_I_CLASS, /* arg: index of the class */
	RE_I_ALT,   /* first out, then arg */
	RE_I_NOP,
	RE_I_SLOT,   /* arg: 2 * group, + 1 at its end */
	RE_I_ASSERT, /* arg: RE_… bits */
} re_op;

typedef struct re_inst {
	uint32_t op, out, arg;
} re_inst;

/*
 * The characters that the program cannot tell apart are one symbol; the end of the text is the last one.
 * Absent (n == 0) when the program has too many of them.
 */
typedef struct re_symbols {
	const uint32_t *from;   /* sorted first characters of the intervals, the first is 0 */
	const uint8_t *of;      /* symbol of each interval */
	const uint32_t *sample; /* one character of each symbol */
	uint32_t n_intervals, n;
	uint8_t ascii[128];
} re_symbols;

/* Entries of the automaton's table that are no state; states begin at RE_D_FIRST. */
enum { RE_D_UNKNOWN = 0, RE_D_DEAD, RE_D_MATCH, RE_D_FIRST };

struct sp_regex {
	const re_inst *insts;
	const re_class *classes;
	const sp_str *names;
	uint32_t n_insts, n_classes, n_groups, start;
	unsigned asserts; /* all bits that the program asks for */
	bool anchored;    /* every match begins at the text's begin */
	sp_str prefix;    /* bytes that every match begins with */
	re_symbols symbols;
	const uint16_t *dfa; /* the whole automaton, row by state from RE_D_FIRST on; NULL: too large */
	uint16_t dfa_start;  /* its first entry: a state, or an end already */
};

static inline bool re_inst_takes(const sp_regex *re, const re_inst *i, uint32_t c)
{
	return i->op == RE_I_RUNE ? i->arg == c
				  : i->op == RE_I_CLASS && re_class_has(&re->classes[i->arg], c);
}
static inline bool re_is_word(uint32_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Beyond every character: the begin or the end of the text. */
#define RE_NO_CHAR UINT32_MAX
/* The bits that hold between the characters `before` and `after`. */
unsigned re_holds(uint32_t before, uint32_t after);

/* -- machines: symbols.c, dfa.c, pike.c ----------------------------------------------------------------- */

/* Fills re->symbols from the program. False: no room (having too many is no failure). */
bool re_symbols_make(sp_regex *re, sp_arena *a, sp_arena *tmp);
static inline uint32_t re_symbol_of(const re_symbols *s, uint32_t c)
{
	if (c < 128)
		return s->ascii[c];
	uint32_t lo = 0, hi = s->n_intervals;
	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (s->from[mid] <= c)
			lo = mid;
		else
			hi = mid;
	}
	return s->of[lo];
}

/* Builds the whole automaton into `a` when it is small; false: no room in `a`. */
bool re_dfa_make(sp_regex *re, sp_arena *a, sp_arena *tmp);
/* The whole automaton on a text. */
bool re_dfa_match(const sp_regex *re, sp_str text);
/*
 * The automaton built on the way in the scratch arena. *ret_done is false when it gave up: no symbols, no
 * room, or its cache overflows too often.
 */
void re_dfa_lazy(const sp_regex *re, sp_str text, sp_arena *scratch, bool *ret_done, bool *ret);

/* Slots: byte offsets, UINT32_MAX unset; n_slots 0: only whether there is a match. SP_ETOOLARGE: no room. */
sp_code re_pike(const sp_regex *re, sp_str text, size_t from, sp_arena *scratch, uint32_t *slots,
		uint32_t n_slots, bool *ret);
