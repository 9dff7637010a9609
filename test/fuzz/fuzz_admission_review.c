/* SPDX-License-Identifier: Apache-2.0 */
/* What a webhook answers; the first byte says whether it may change the object. */
#include "apiserver/admission/hook_review.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	api_review_answer answer;
	sp_str why;
	sp_arena a;
	if (size == 0)
		return 0;
	bool mutating = (data[0] & 1) != 0;
	sp_arena_init(&a, (size_t)1 << 20);
	sp_code code = api_review_read(&a, (sp_str){(const char *)data + 1, size - 1}, SP_STR("w"),
				       SP_STR("u"), mutating, &answer, &why);
	SP_ASSERT(code == SP_OK || code == SP_EINVAL || code == SP_ETOOLARGE || code == SP_ENOMEM);
	if (code == SP_OK) {
		SP_ASSERT(mutating || answer.patch.len == 0);
		SP_ASSERT(answer.allowed || (answer.status.code >= 400 && answer.status.code < 600));
	}
	sp_arena_done(&a);
	return 0;
}
