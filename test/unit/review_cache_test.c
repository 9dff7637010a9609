/* SPDX-License-Identifier: Apache-2.0 */
/* Answers about users: kept for a time, and no more than so many. */
#include "client/review_cache.h"
#include "lib/peer.h"
#include "lib/t.h"

SP_TEST(review_cache, for_a_time)
{
	sp_world *w = t_world_uv();
	T_TRUE(w != NULL);
	SP_CLEANUP(sp_reviews_done) sp_reviews reviews;
	sp_reviews *r = &reviews;
	sp_reviews_init(r, w);
	sp_reviews_put(r, SP_STR("q"), SP_STR("yes"), 100);
	sp_reviews_put(r, SP_STR("e"), SP_STR(""), 100);
	T_EQ_C(sp_reviews_get(r, SP_STR("q"), 99), "yes");
	T_TRUE(sp_reviews_get(r, SP_STR("e"), 99).ptr != NULL);
	T_TRUE(sp_reviews_get(r, SP_STR("other"), 99).ptr == NULL);
	T_TRUE(sp_reviews_get(r, SP_STR("q"), 100).ptr == NULL);
	T_EQ_U64(r->n, 1);
	sp_reviews_put(r, SP_STR("q"), SP_STR("no"), 200);
	sp_reviews_put(r, SP_STR("q"), SP_STR("yes again"), 300);
	T_EQ_C(sp_reviews_get(r, SP_STR("q"), 250), "yes again");
	T_EQ_U64(r->n, 2);
}

SP_TEST(review_cache, so_many)
{
	static char long_text[SP_REVIEW_BYTES_MAX + 1];
	sp_world *w = t_world_uv();
	T_TRUE(w != NULL);
	SP_CLEANUP(sp_reviews_done) sp_reviews reviews;
	sp_reviews *r = &reviews;
	sp_reviews_init(r, w);
	char q[16];
	memset(long_text, 'x', sizeof long_text);
	sp_reviews_put(r, SP_STR("long"), (sp_str){long_text, sizeof long_text}, 1);
	sp_reviews_put(r, (sp_str){long_text, sizeof long_text}, SP_STR("x"), 1);
	T_EQ_U64(r->n, 0);
	for (unsigned i = 0; i < SP_REVIEWS_MAX + 10; i++) {
		(void)snprintf(q, sizeof q, "%u", i);
		sp_reviews_put(r, sp_str_c(q), SP_STR("x"), 1);
	}
	T_EQ_U64(r->n, SP_REVIEWS_MAX);
	T_TRUE(sp_reviews_get(r, SP_STR("9"), 0).ptr == NULL);
	T_TRUE(sp_reviews_get(r, SP_STR("10"), 0).ptr != NULL);
}

SP_TEST(review_cache, tokens)
{
	sp_world *w = t_world_uv();
	T_TRUE(w != NULL);
	SP_CLEANUP(sp_reviews_done) sp_reviews reviews;
	sp_reviews *r = &reviews;
	sp_reviews_init(r, w);
	char a[SP_REVIEW_KEY_BYTES], b[SP_REVIEW_KEY_BYTES];
	sp_str one = sp_reviews_of_token(r, SP_STR("secret"), a),
	       two = sp_reviews_of_token(r, SP_STR("secres"), b);
	T_TRUE(!sp_str_eq(one, two));
	T_TRUE(sp_str_find(one, SP_STR("secret")) < 0);
	T_EQ_STR(one, sp_reviews_of_token(r, SP_STR("secret"), b));
}
