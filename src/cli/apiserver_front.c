/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/apiserver_front.h"

#include "base/json_out.h"
#include "io/file.h"
#include "keys/pki.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define HEADERS_MAX 64u

/* The next text of "a, b". False: there is none. */
static bool next_item(sp_str *list, sp_str *ret)
{
	if (list->len == 0)
		return false;
	if (!sp_str_cut(list, ',', ret)) {
		*ret = *list;
		list->len = 0;
	}
	*ret = sp_str_trim(*ret);
	return true;
}

/* U: apiserver pkg/server/options/authentication.go, RequestHeaderAuthenticationOptions.Validate */
static sp_code check_list(const char *flag, sp_str list, sp_err *err)
{
	sp_str item;
	for (size_t n = 0; next_item(&list, &item); n++) {
		if (item.len == 0)
			return sp_fail(err, SP_EINVAL, "empty value in \"%s\"", flag);
		if (n == HEADERS_MAX)
			return sp_fail(err, SP_EINVAL, "--%s: at most %u values", flag, HEADERS_MAX);
	}
	return SP_OK;
}

sp_code cli_front_check(const cli_front_flags *f, sp_err *err)
{
	sp_str uids = f->uids, uid;
	bool standard = uids.len == 0;
	if ((f->cert.len > 0) != (f->key.len > 0))
		return sp_fail(err, SP_EINVAL,
			       "--proxy-client-cert-file and --proxy-client-key-file go together");
	SP_TRY(check_list("requestheader-username-headers", f->users, err));
	SP_TRY(check_list("requestheader-group-headers", f->groups, err));
	SP_TRY(check_list("requestheader-extra-headers-prefix", f->extra, err));
	SP_TRY(check_list("requestheader-allowed-names", f->names, err));
	SP_TRY(check_list("requestheader-uid-headers", f->uids, err));
	while (next_item(&uids, &uid))
		standard = standard || sp_str_eq_nocase(uid, SP_STR("X-Remote-Uid"));
	return standard ? SP_OK
			: sp_fail(err, SP_EINVAL,
				  "--requestheader-uid-headers is set without specifying the standard "
				  "X-Remote-Uid header - API aggregation will not work");
}

static sp_code read_list(sp_arena *a, sp_str list, bool lower, sp_strs *ret, sp_err *err)
{
	sp_str item, *items = sp_try_new(a, sp_str, HEADERS_MAX);
	size_t n = 0;
	if (items == NULL)
		return sp_fail(err, SP_ENOMEM, "no room for a flag");
	while (next_item(&list, &item)) {
		char *text = sp_arena_try_alloc(a, item.len + 1);
		if (text == NULL)
			return sp_fail(err, SP_ENOMEM, "no room for a flag");
		for (size_t i = 0; i < item.len; i++)
			text[i] = lower && item.ptr[i] >= 'A' && item.ptr[i] <= 'Z' ? (char)(item.ptr[i] | 32)
										    : item.ptr[i];
		items[n++] = (sp_str){text, item.len};
	}
	*ret = (sp_strs){items, n};
	return SP_OK;
}

sp_code cli_front_open(sp_world *w, sp_arena *a, sp_str data_dir, const cli_front_flags *f, cli_front *ret,
		       sp_err *err)
{
	const keys_pki_opts pki = {.dir = data_dir};
	keys_pki_front_proxy files = {.crt = f->cert, .key = f->key, .ca_crt = f->ca};
	api_front_proxy_opts *o = &ret->opts;
	/* Whoever names an authority, or a certificate of another one, means that alone. */
	if (f->cert.len == 0 && f->ca.len == 0)
		SP_TRY(keys_pki_front_proxy_ensure(w, a, &pki, &files, err));
	if (files.crt.len > 0) {
		SP_TRY(sp_file_read_arena(w, files.crt, a, FILE_BYTES_MAX, &o->cert_pem, err));
		SP_TRY(sp_file_read_arena(w, files.key, a, FILE_BYTES_MAX, &o->key_pem, err));
	}
	ret->ca_file = files.ca_crt;
	if (files.ca_crt.len > 0)
		SP_TRY(sp_file_read_arena(w, files.ca_crt, a, FILE_BYTES_MAX, &ret->ca_pem, err));
	SP_TRY(read_list(a, f->names, false, &o->names, err));
	SP_TRY(read_list(a, f->users, true, &o->user_headers, err));
	SP_TRY(read_list(a, f->uids, true, &o->uid_headers, err));
	SP_TRY(read_list(a, f->groups, true, &o->group_headers, err));
	return read_list(a, f->extra, true, &o->extra_prefixes, err);
}

/* "a,b" as a JSON list. */
static sp_str json_list(sp_arena *a, sp_str list)
{
	SP_AUTO_BUF out;
	sp_str item;
	sp_buf_init(&out, FILE_BYTES_MAX);
	sp_jout j = sp_jout_to(&out);
	sp_jout_open(&j, '[');
	while (next_item(&list, &item))
		sp_jout_str(&j, item);
	sp_jout_close(&j, ']');
	return sp_arena_try_dup(a, sp_buf_view(&out));
}

void cli_front_tell(sp_arena *a, const cli_front_flags *f, const cli_front *front, api_bootstrap_opts *ret)
{
	ret->front_proxy_ca = front->ca_pem;
	ret->front_proxy_names = json_list(a, f->names);
	ret->user_headers = json_list(a, f->users);
	ret->uid_headers = json_list(a, f->uids);
	ret->group_headers = json_list(a, f->groups);
	ret->extra_prefixes = json_list(a, f->extra);
}
