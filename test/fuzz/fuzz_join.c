/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a node that joins reads from strangers: tokens, cluster-info, lists of one that become updates. The
 * first byte chooses. Whatever comes, nobody is trusted without the signature.
 */
#include "client/client_int.h"
#include "client/cluster_info.h"

static void token(sp_str text)
{
	sp_join_token t;
	sp_err err = {0};
	if (sp_join_token_parse(text, &t, &err) != SP_OK) {
		SP_ASSERT(err.msg[0] != '\0');
		return;
	}
	SP_ASSERT(t.id.len == 6 && t.secret.len == 16 && (t.ca_hash.len == 0 || t.ca_hash.len == 64));
}

static void info(sp_str text)
{
	static const sp_join_token t = {SP_STR_INIT("abcdef"), SP_STR_INIT("0123456789abcdef"), {NULL, 0}};
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_client_config c;
	sp_err err = {0};
	sp_arena_init(&a, (size_t)64 << 20);
	if (sp_join_verify(&a, text, &t, &c, &err) != SP_OK)
		SP_ASSERT(err.msg[0] != '\0');
	else
		SP_ASSERT(c.ca_pem.len > 0 && c.address.len > 2);
}

static void update(sp_str text)
{
	sp_str patch = text, list;
	sp_bytes *body = NULL;
	sp_err err = {0};
	if (!sp_str_cut(&patch, '\n', &list))
		return;
	if (client_merge_update(list, patch, &body, &err) != SP_OK)
		SP_ASSERT(err.msg[0] != '\0');
	else
		sp_bytes_unref(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const all[])(sp_str text) = {token, info, update};
	if (size == 0 || size > 16384)
		return 0;
	all[data[0] % SP_LEN(all)]((sp_str){(const char *)data + 1, size - 1});
	return 0;
}
