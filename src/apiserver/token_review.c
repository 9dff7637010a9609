/* SPDX-License-Identifier: Apache-2.0 */
/* Whose token is this? U: kubernetes pkg/registry/authentication/tokenreview. */
#include "apiserver/answer.h"
#include "apiserver/tokens.h"
#include "base/json_out.h"
#include "kube/meta.h"

#define TEXT_BYTES_MAX ((size_t)4 << 20)

static void refuse(api_write *w, sp_str why)
{
	sp_status s = sp_status_bad_request(why);
	api_write_refuse(w, &s);
}

static bool read_audiences(api_write *w, const sp_str **ret, size_t *ret_n)
{
	yyjson_mut_val *list = sp_kv_list(sp_kv_get(w->obj, "spec"), "audiences");
	sp_str *items = sp_try_new(&w->arena, sp_str, sp_kv_len(list) + 1);
	if (items == NULL) {
		api_write_fail(w, SP_ENOMEM, NULL);
		return false;
	}
	SP_KV_EACH (item, i, list)
		items[i] = sp_jmut_str(item);
	*ret = items;
	*ret_n = sp_kv_len(list);
	return true;
}

static sp_code write_status(sp_buf *out, const api_token_verdict *v)
{
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	if (v->ok)
		sp_jout_member_bool(&j, SP_STR("authenticated"), true);
	sp_jout_member_open(&j, SP_STR("user"), '{');
	if (v->ok)
		api_user_write(&j, &v->user);
	sp_jout_close(&j, '}');
	if (v->ok && v->n_audiences > 0)
		sp_jout_member_strs(&j, SP_STR("audiences"), v->audiences, v->n_audiences);
	if (!v->ok)
		sp_jout_member_str(&j, SP_STR("error"), v->why);
	sp_jout_close(&j, '}');
	return sp_buf_code(out);
}

void api_answer_token_review(api_write *w)
{
	sp_str token = sp_kv_str(sp_kv_get(w->obj, "spec"), "token");
	api_token_verdict verdict;
	yyjson_mut_val *status = NULL;
	const sp_str *audiences;
	size_t n;
	sp_err err;
	if (token.len == 0) {
		refuse(w, SP_STR("token is required for TokenReview in authentication"));
		return;
	}
	if (!read_audiences(w, &audiences, &n))
		return;
	api_tokens_check(w->server, &w->arena, token, audiences, n, &verdict);
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	sp_code code = write_status(&text, &verdict);
	if (code == SP_OK)
		code = sp_json_parse_mut(&w->arena, sp_buf_view(&text), w->doc, &status, &err);
	if (code != SP_OK || !sp_kv_set(w->doc, w->obj, "status", status))
		api_write_fail(w, SP_ETOOLARGE, NULL);
	else
		api_answer_send(w);
}
