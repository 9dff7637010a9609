/* SPDX-License-Identifier: Apache-2.0 */
/* What a kubelet says of usage, two times: a round and the one before. */
#include "apiserver/usage/points.h"
#include "apiserver/usage/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sp_str text = {(const char *)data, size}, first;
	const sp_map_entry *e;
	usage_rate rate;
	usage_set a, b;
	if (!sp_str_cut(&text, '\0', &first))
		first = text;
	usage_set_init(&a);
	usage_set_init(&b);
	(void)!usage_set_add(&a, SP_STR("n"), first, 1, NULL, NULL);
	(void)!usage_set_add(&b, SP_STR("n"), text, 2, &a, NULL);
	for (size_t i = 0; (e = sp_map_next(&b.pods, &i)) != NULL;) {
		const usage_pod *p = usage_set_pod(&b, e->key);
		for (const usage_container *c = p == NULL ? NULL : p->containers; c != NULL; c = c->next) {
			if (usage_rate_of(&c->pair, &rate))
				SP_ASSERT(rate.window_ns > 0);
		}
	}
	usage_set_done(&a);
	usage_set_done(&b);
	return 0;
}
