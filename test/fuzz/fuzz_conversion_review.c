/* SPDX-License-Identifier: Apache-2.0 */
/* What a conversion webhook answers; the first byte says which review is spoken and how many objects were
 * sent. */
#include "apiserver/custom/conversion_review.h"
#include "kube/meta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const sp_str objects[] = {
		SP_STR_INIT("{\"apiVersion\":\"g/v1\",\"kind\":\"K\",\"metadata\":{\"name\":\"a\",\"uid\":"
			    "\"u\",\"labels\":{\"x\":\"y\"}}}"),
		SP_STR_INIT("{\"apiVersion\":\"g/v1\",\"kind\":\"K\",\"metadata\":{\"name\":\"b\"}}")};
	api_conversion_answer answers[SP_LEN(objects)];
	sp_str why;
	sp_arena a;
	if (size == 0)
		return 0;
	const api_conversion_question q = {.v1beta1 = (data[0] & 1) != 0,
					   .uid = SP_STR("u"),
					   .api_version = SP_STR("g/v2"),
					   .kind = SP_STR("K"),
					   .from = SP_STR("g/v1, Kind=K"),
					   .objects = objects,
					   .n = 1 + ((data[0] >> 1) & 1)};
	sp_arena_init(&a, (size_t)1 << 20);
	yyjson_mut_doc *doc = sp_json_doc(&a);
	sp_code code =
		api_conversion_read(&a, doc, &q, (sp_str){(const char *)data + 1, size - 1}, answers, &why);
	SP_ASSERT(code == SP_OK || code == SP_EINVAL || code == SP_ETOOLARGE || code == SP_ENOMEM);
	SP_ASSERT(code != SP_EINVAL || why.len > 0);
	for (size_t i = 0; code == SP_OK && i < q.n; i++) {
		SP_ASSERT((answers[i].obj == NULL) == (answers[i].why.len > 0));
		if (answers[i].obj != NULL)
			SP_ASSERT(
				sp_str_eq(sp_meta_name(answers[i].obj), i == 0 ? SP_STR("a") : SP_STR("b")));
	}
	sp_arena_done(&a);
	return 0;
}
