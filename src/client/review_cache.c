/* SPDX-License-Identifier: Apache-2.0 */
#include "client/review_cache.h"

#include "base/alloc.h"

typedef struct review {
	sp_list node; /* sp_reviews.all */
	uint64_t until_ns;
	size_t n_question, n_answer;
	char text[]; /* the question, then the answer */
} review;

static sp_str question_of(const review *v)
{
	return (sp_str){v->text, v->n_question};
}

static void drop(sp_reviews *r, review *v)
{
	(void)sp_map_remove(&r->by_key, question_of(v));
	sp_list_remove(&v->node);
	sp_free(v);
	r->n--;
}

void sp_reviews_init(sp_reviews *r, sp_world *w)
{
	sp_map_init(&r->by_key);
	sp_list_init(&r->all);
	r->n = 0;
	sp_random(w, r->keys, sizeof r->keys);
}

void sp_reviews_done(sp_reviews *r)
{
	SP_LIST_FOREACH (node, &r->all)
		drop(r, SP_CONTAINER_OF(node, review, node));
	sp_map_done(&r->by_key);
}

sp_str sp_reviews_get(sp_reviews *r, sp_str question, uint64_t now_ns)
{
	review *v = sp_map_get(&r->by_key, question);
	if (v != NULL && now_ns >= v->until_ns) {
		drop(r, v);
		v = NULL;
	}
	return v == NULL ? (sp_str){NULL, 0} : (sp_str){v->text + v->n_question, v->n_answer};
}

void sp_reviews_put(sp_reviews *r, sp_str question, sp_str answer, uint64_t until_ns)
{
	review *old = sp_map_get(&r->by_key, question);
	if (old != NULL)
		drop(r, old);
	if (question.len > SP_REVIEW_BYTES_MAX || answer.len > SP_REVIEW_BYTES_MAX)
		return;
	if (r->n == SP_REVIEWS_MAX)
		drop(r, SP_CONTAINER_OF(r->all.next, review, node));
	review *v = sp_try_alloc(sizeof *v + question.len + answer.len);
	if (v == NULL)
		return;
	v->until_ns = until_ns;
	v->n_question = question.len;
	v->n_answer = answer.len;
	memcpy(v->text, question.ptr, question.len);
	memcpy(v->text + question.len, answer.ptr, answer.len);
	sp_list_init(&v->node);
	if (sp_map_put(&r->by_key, question_of(v), v, NULL) != SP_OK) {
		sp_free(v);
		return;
	}
	sp_list_push_back(&r->all, &v->node);
	r->n++;
}

sp_str sp_reviews_of_token(const sp_reviews *r, sp_str token, char room[SP_REVIEW_KEY_BYTES])
{
	int n = snprintf(room, SP_REVIEW_KEY_BYTES, "token %016llx%016llx",
			 (unsigned long long)sp_siphash13(r->keys[0], token.ptr, token.len),
			 (unsigned long long)sp_siphash13(r->keys[1], token.ptr, token.len));
	return (sp_str){room, (size_t)n};
}
