/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/num.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define ALIGN 16u
#define FIRST_BLOCK_BYTES 4096u
#define MAX_BLOCK_BYTES (256u << 10)
#define KEEP_BLOCK_BYTES (16u << 10)

struct sp_arena_block {
	sp_arena_block *next;
	size_t size_bytes; /* room after this header */
};
struct sp_arena_cleanup {
	sp_arena_cleanup *next;
	void (*fn)(void *arg);
	void *arg;
};

#define HEADER_BYTES ((sizeof(sp_arena_block) + ALIGN - 1) & ~(size_t)(ALIGN - 1))

void sp_arena_init(sp_arena *a, size_t limit_bytes)
{
	*a = (sp_arena){.limit_bytes = limit_bytes};
}

void sp_arena_init_secret(sp_arena *a, size_t limit_bytes)
{
	*a = (sp_arena){.limit_bytes = limit_bytes, .secret = true};
}

void sp_arena_reset(sp_arena *a)
{
	/* A cleanup may not allocate from the arena; it may read what is in it. */
	for (sp_arena_cleanup *c = a->cleanups; c != NULL; c = c->next)
		c->fn(c->arg);
	for (sp_arena_block *b = a->blocks; b != NULL;) {
		sp_arena_block *next = b->next;
		UNPOISON((char *)b + HEADER_BYTES, b->size_bytes);
		if (a->secret)
			explicit_bzero((char *)b + HEADER_BYTES, b->size_bytes);
		sp_free(b);
		b = next;
	}
	*a = (sp_arena){.limit_bytes = a->limit_bytes, .secret = a->secret};
}

void sp_arena_rewind(sp_arena *a)
{
	sp_arena_block *keep = a->blocks; /* the bumped one */
	if (keep == NULL || keep->size_bytes > KEEP_BLOCK_BYTES) {
		sp_arena_reset(a);
		return;
	}
	char *data = (char *)keep + HEADER_BYTES;
	size_t limit = a->limit_bytes, used = (size_t)(a->next - data), size = keep->size_bytes;
	a->blocks = keep->next;
	sp_arena_reset(a); /* cleanups may read what is in the kept block */
	keep->next = NULL;
	UNPOISON(data, used);
	memset(data, 0, used);
	POISON(data, size);
	*a = (sp_arena){
		.blocks = keep, .next = data, .end = data + size, .limit_bytes = limit, .secret = a->secret};
}

void sp_arena_done(sp_arena *a)
{
	sp_arena_reset(a);
}

static bool round_up(size_t n, size_t *ret)
{
	if (n == 0)
		n = 1;
	if (!sp_add(n, (size_t)ALIGN - 1, ret))
		return false;
	*ret &= ~(size_t)(ALIGN - 1);
	return true;
}

/* Takes a new block with room for n bytes; small blocks become the one that is bumped. */
static char *block_new(sp_arena *a, size_t n)
{
	size_t newest = a->blocks == NULL ? 0 : a->blocks->size_bytes;
	size_t size = SP_MAX(newest * 2, (size_t)FIRST_BLOCK_BYTES);
	size = SP_MIN(size, (size_t)MAX_BLOCK_BYTES);
	bool own_block = n > size / 4;
	if (own_block)
		size = n;
	size_t total;
	if (!sp_add(size, HEADER_BYTES, &total))
		return NULL;
	sp_arena_block *b = sp_try_alloc(total);
	if (b == NULL)
		return NULL;
	b->size_bytes = size;
	char *data = (char *)b + HEADER_BYTES;
	if (own_block && a->blocks != NULL) {
		/* Behind the newest, whose room is still good for small ones. */
		b->next = a->blocks->next;
		a->blocks->next = b;
		return data;
	}
	b->next = a->blocks;
	a->blocks = b;
	a->next = data + n;
	a->end = data + size;
	POISON(a->next, size - n);
	return data;
}

void *sp_arena_try_alloc(sp_arena *a, size_t n_bytes)
{
	size_t n;
	size_t used;
	if (!round_up(n_bytes, &n) || !sp_add(a->used_bytes, n, &used) || used > a->limit_bytes)
		return NULL;
	char *p;
	if (n <= (size_t)(a->end - a->next)) {
		if (sp_alloc_fault_strike())
			return NULL;
		p = a->next;
		UNPOISON(p, n);
		a->next += n;
	} else {
		p = block_new(a, n);
		if (p == NULL)
			return NULL;
	}
	a->used_bytes = used;
	return p;
}

void *sp_arena_alloc(sp_arena *a, size_t n_bytes)
{
	void *p = sp_arena_try_alloc(a, n_bytes);
	if (p == NULL && sp_alloc_fault_hit()) {
		/* An armed test fault is for fallible callers only: this one goes through. */
		p = sp_arena_try_alloc(a, n_bytes);
	}
	if (p == NULL) {
		(void)fprintf(stderr, "arena limit reached: %zu of %zu bytes used, %zu wanted\n",
			      a->used_bytes, a->limit_bytes, n_bytes); /* dying anyway */
		abort();
	}
	return p;
}

void *sp_arena_try_array(sp_arena *a, size_t count, size_t size_bytes)
{
	size_t n;
	if (!sp_mul(count, size_bytes, &n))
		return NULL;
	return sp_arena_try_alloc(a, n);
}

void *sp_arena_try_grow(sp_arena *a, void *old, size_t old_bytes, size_t new_bytes)
{
	size_t old_n;
	size_t new_n;
	size_t used;
	if (old == NULL)
		return sp_arena_try_alloc(a, new_bytes);
	SP_ASSERT(new_bytes >= old_bytes);
	if (!round_up(old_bytes, &old_n) || !round_up(new_bytes, &new_n))
		return NULL;
	if (new_n == old_n)
		return old;
	bool newest = (char *)old + old_n == a->next;
	if (newest && new_n - old_n <= (size_t)(a->end - a->next)) {
		if (!sp_add(a->used_bytes, new_n - old_n, &used) || used > a->limit_bytes ||
		    sp_alloc_fault_strike())
			return NULL;
		UNPOISON(a->next, new_n - old_n);
		a->next += new_n - old_n;
		a->used_bytes = used;
		return old;
	}
	void *p = sp_arena_try_alloc(a, new_bytes);
	if (p != NULL)
		memcpy(p, old, old_bytes);
	return p;
}

bool sp_arena_on_reset(sp_arena *a, void (*fn)(void *arg), void *arg)
{
	sp_arena_cleanup *c = sp_arena_try_alloc(a, sizeof *c);
	if (c == NULL)
		return false;
	*c = (sp_arena_cleanup){.next = a->cleanups, .fn = fn, .arg = arg};
	a->cleanups = c;
	return true;
}

sp_str sp_arena_try_dup(sp_arena *a, sp_str s)
{
	size_t n;
	char *p = sp_add(s.len, (size_t)1, &n) ? sp_arena_try_alloc(a, n) : NULL;
	if (p == NULL)
		return (sp_str){NULL, 0};
	if (s.len != 0)
		memcpy(p, s.ptr, s.len);
	return (sp_str){p, s.len};
}

sp_str sp_arena_printf(sp_arena *a, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	SP_ASSERT(n >= 0);
	char *p = sp_arena_try_alloc(a, (size_t)n + 1);
	if (p == NULL)
		return (sp_str){NULL, 0};
	va_start(ap, fmt);
	(void)vsnprintf(p, (size_t)n + 1, fmt, ap); /* the length is known */
	va_end(ap);
	return (sp_str){p, (size_t)n};
}

sp_str sp_arena_concat(sp_arena *a, const sp_str *parts, size_t n)
{
	size_t len = 0, total;
	for (size_t i = 0; i < n; i++) {
		if (!sp_add(len, parts[i].len, &len))
			return (sp_str){NULL, 0};
	}
	char *p = sp_add(len, (size_t)1, &total) ? sp_arena_try_alloc(a, total) : NULL;
	if (p == NULL)
		return (sp_str){NULL, 0};
	char *at = p;
	for (size_t i = 0; i < n; i++) {
		if (parts[i].len > 0)
			memcpy(at, parts[i].ptr, parts[i].len);
		at += parts[i].len;
	}
	return (sp_str){p, len};
}
