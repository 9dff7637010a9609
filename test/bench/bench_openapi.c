/* SPDX-License-Identifier: Apache-2.0 */
/* Building the OpenAPI documents of all built-in kinds. */
#include <stdio.h>
#include <time.h>

#include "kube/openapi/openapi.h"

#define ROUNDS 20

static double now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void build(sp_arena *a, sp_buf *out, const sp_openapi_source *from, int what)
{
	sp_buf_clear(out);
	sp_code code =
		what == 0 ? sp_openapi_v2(a, out, from) : sp_openapi_v3(a, out, from, SP_STR("api/v1"));
	SP_ASSERT(code == SP_OK);
}

int main(void)
{
	static const char *const names[] = {"openapi_v2", "openapi_v3_core"};
	sp_openapi_source from = {.builtin = sp_kinds, .n_builtin = sp_n_kinds};
	sp_arena a;
	sp_buf out, pb;
	sp_arena_init(&a, (size_t)256 << 20);
	sp_buf_init(&out, SP_OPENAPI_BYTES_MAX);
	sp_buf_init(&pb, SP_OPENAPI_BYTES_MAX);
	for (int what = 0; what < 2; what++) {
		double start = now_ms();
		for (int i = 0; i < ROUNDS; i++) {
			build(&a, &out, &from, what);
			sp_arena_reset(&a);
		}
		printf("bench %s %.2f ms (%zu bytes) peer=none\n", names[what], (now_ms() - start) / ROUNDS,
		       out.len);
		start = now_ms();
		for (int i = 0; i < ROUNDS; i++) {
			sp_buf_clear(&pb);
			sp_code code = what == 0 ? sp_openapi_v2_proto(&a, &pb, sp_buf_view(&out), NULL)
						 : sp_openapi_v3_proto(&a, &pb, sp_buf_view(&out), NULL);
			SP_ASSERT(code == SP_OK);
			sp_arena_reset(&a);
		}
		printf("bench %s_proto %.2f ms (%zu bytes) peer=none\n", names[what],
		       (now_ms() - start) / ROUNDS, pb.len);
	}
	sp_buf_done(&pb);
	sp_buf_done(&out);
	sp_arena_done(&a);
	return 0;
}
