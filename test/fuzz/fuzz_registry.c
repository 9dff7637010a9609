/* SPDX-License-Identifier: Apache-2.0 */
/* What registries and token servers answer: the first byte says what the rest is. */
#include "runtime/image/challenge.h"
#include "runtime/image/hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void challenge(sp_arena *a, sp_str text)
{
	image_challenge c;
	if (image_challenge_parse(a, text, &c, NULL) == SP_OK)
		SP_ASSERT(c.scheme != IMAGE_AUTH_BEARER || c.realm.len > 0);
}

static void token(sp_arena *a, sp_str text)
{
	image_token t;
	if (image_token_parse(a, text, &t, NULL) != SP_OK)
		return;
	SP_ASSERT(t.text.len > 0 && t.expires_s >= 60);
	for (size_t i = 0; i < t.text.len; i++)
		SP_ASSERT(t.text.ptr[i] > ' ');
}

static void errors(sp_arena *a, sp_str text)
{
	sp_str said = image_registry_error(a, text);
	for (size_t i = 0; i < said.len; i++)
		SP_ASSERT((unsigned char)said.ptr[i] >= ' ');
}

static void location(sp_arena *a, sp_str text)
{
	image_url u;
	if (image_url_parse(a, text, &u, NULL) != SP_OK)
		return;
	SP_ASSERT(u.authority.len > 0 && u.address.len >= u.authority.len &&
		  (u.path.len == 0 || u.path.ptr[0] == '/'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const kinds[])(sp_arena * a, sp_str text) = {challenge, token, errors, location};
	if (size == 0)
		return 0;
	sp_arena a;
	sp_arena_init(&a, (size_t)1 << 20);
	kinds[data[0] % SP_LEN(kinds)](&a, (sp_str){(const char *)data + 1, size - 1});
	sp_arena_done(&a);
	return 0;
}
