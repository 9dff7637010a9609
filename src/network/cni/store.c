/* SPDX-License-Identifier: Apache-2.0 */
#include "network/cni/store.h"

#include "base/base64.h"
#include "base/json_out.h"
#include "io/file.h"

#define RECORD_BYTES ((size_t)8 << 20)

/* ---- configurations ---- */

static bool is_conf(sp_str name, bool *ret_list)
{
	*ret_list = sp_str_ends(name, SP_STR(".conflist"));
	return *ret_list || sp_str_ends(name, SP_STR(".conf")) || sp_str_ends(name, SP_STR(".json"));
}

/* DIR/NAME/.conf files, by name: plugins of the list of that name. U: libcni NetworkConfFromFile. */
static sp_code add_files(sp_world *w, sp_str dir, sp_arena *a, sp_str *text, sp_err *err)
{
	sp_dir_entry *entries;
	size_t n, n_plugins = 0;
	cni_list_head head;
	SP_TRY(cni_list_head_parse(*text, a, &head, err));
	if (head.only_inlined)
		return SP_OK;
	sp_str sub = SP_CONCAT(a, dir, SP_STR("/"), head.name);
	sp_code code = sp_dir_list(w, sub, a, &entries, &n, err);
	if (code == SP_ENOTFOUND)
		n = 0;
	else if (code != SP_OK)
		return code;
	sp_str *plugins = sp_try_new(a, sp_str, n + 1);
	if (plugins == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a network configuration");
	for (size_t i = 0; i < n && n_plugins < CNI_PLUGINS_MAX; i++) {
		if (entries[i].type == SP_TYPE_DIR || !sp_str_ends(entries[i].name, SP_STR(".conf")))
			continue;
		SP_TRY(sp_file_read_arena(w, SP_CONCAT(a, sub, SP_STR("/"), entries[i].name), a,
					  CNI_CONF_BYTES, &plugins[n_plugins++], err));
	}
	return cni_list_add(*text, plugins, n_plugins, a, text, err);
}

static sp_code read_conf(sp_world *w, sp_str dir, sp_str path, bool is_list, sp_arena *a, sp_str *ret,
			 sp_err *err)
{
	cni_list list;
	sp_str text;
	SP_TRY(sp_file_read_arena(w, path, a, CNI_CONF_BYTES, &text, err));
	if (is_list)
		SP_TRY(add_files(w, dir, a, &text, err));
	else
		SP_TRY(cni_list_of_one(text, a, &text, err));
	SP_TRY(cni_list_parse(text, a, &list, err));
	*ret = text;
	return SP_OK;
}

sp_code cni_load(sp_world *w, sp_str dir, sp_arena *a, sp_str *ret, sp_err *err)
{
	sp_dir_entry *entries;
	size_t n;
	sp_err mine;
	*ret = (sp_str){NULL, 0};
	sp_code code = sp_dir_list(w, dir, a, &entries, &n, err);
	if (code != SP_OK)
		return code == SP_ENOTFOUND ? SP_OK : code;
	for (size_t i = 0; i < n; i++) {
		bool is_list;
		if (entries[i].type == SP_TYPE_DIR || !is_conf(entries[i].name, &is_list))
			continue;
		sp_str path = SP_CONCAT(a, dir, SP_STR("/"), entries[i].name);
		code = read_conf(w, dir, path, is_list, a, ret, &mine);
		return code == SP_OK ? SP_OK
				     : sp_fail(err, code, "failed to load CNI config%s file " SP_FMT ": %s",
					       is_list ? " list" : "", SP_ARG(path), mine.msg);
	}
	return SP_OK;
}

/* ---- records ---- */

static void write_args(sp_jout *j, sp_str args)
{
	sp_str part, key;
	sp_jout_member_open(j, SP_STR("cniArgs"), '[');
	while (sp_str_next(&args, ';', &part)) {
		if (!sp_str_cut(&part, '=', &key))
			continue;
		sp_jout_open(j, '[');
		sp_jout_str(j, key);
		sp_jout_str(j, part);
		sp_jout_close(j, ']');
	}
	sp_jout_close(j, ']');
}

typedef struct cap_slot {
	sp_str name;
	size_t at;
} cap_slot;
static const cap_slot cap_slots[] = {
	{SP_STR_INIT("portMappings"), offsetof(cni_capabilities, port_mappings)},
	{SP_STR_INIT("bandwidth"), offsetof(cni_capabilities, bandwidth)},
	{SP_STR_INIT("dns"), offsetof(cni_capabilities, dns)},
	{SP_STR_INIT("ipRanges"), offsetof(cni_capabilities, ip_ranges)},
	{SP_STR_INIT("aliases"), offsetof(cni_capabilities, aliases)},
	{SP_STR_INIT("cgroupPath"), offsetof(cni_capabilities, cgroup_path)},
	{SP_STR_INIT("io.kubernetes.cri.pod-annotations"), offsetof(cni_capabilities, annotations)},
};

static sp_str *cap_of(cni_capabilities *c, const cap_slot *s)
{
	return (sp_str *)(void *)((char *)c + s->at);
}

sp_code cni_record_write(const cni_record *r, sp_buf *out, sp_err *err)
{
	cni_capabilities caps = r->caps;
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("cniCacheV1"));
	sp_jout_member_str(&j, SP_STR("containerId"), r->id);
	sp_jout_key(&j, SP_STR("config"));
	sp_buf_char(out, '"');
	sp_base64_append(out, r->conf.ptr, r->conf.len);
	sp_buf_char(out, '"');
	j.comma = true;
	sp_jout_member_str(&j, SP_STR("ifName"), r->if_name);
	sp_jout_member_str(&j, SP_STR("networkName"), r->network);
	write_args(&j, r->args);
	sp_jout_member_open(&j, SP_STR("capabilityArgs"), '{');
	for (size_t i = 0; i < SP_LEN(cap_slots); i++) {
		if (cap_of(&caps, &cap_slots[i])->len > 0)
			sp_jout_member_raw(&j, cap_slots[i].name, *cap_of(&caps, &cap_slots[i]));
	}
	sp_jout_close(&j, '}');
	if (r->result.len > 0)
		sp_jout_member_raw(&j, SP_STR("result"), r->result);
	sp_jout_close(&j, '}');
	return sp_buf_code(out) == SP_OK
		       ? SP_OK
		       : sp_fail(err, sp_buf_code(out), "a network attachment is too large");
}

static sp_str json_of(yyjson_val *v, sp_arena *a)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, RECORD_BYTES);
	if (v == NULL || sp_json_write(&out, v) != SP_OK)
		return (sp_str){NULL, 0};
	return sp_arena_try_dup(a, sp_buf_view(&out));
}

static sp_str read_args(yyjson_val *list, sp_arena *a)
{
	SP_AUTO_BUF out;
	size_t i, n;
	yyjson_val *v;
	sp_buf_init(&out, RECORD_BYTES);
	yyjson_arr_foreach(list, i, n, v)
	{
		sp_str key = sp_json_str(yyjson_arr_get(v, 0)), value = sp_json_str(yyjson_arr_get(v, 1));
		sp_buf_printf(&out, "%s" SP_FMT "=" SP_FMT, i == 0 ? "" : ";", SP_ARG(key), SP_ARG(value));
	}
	return sp_arena_try_dup(a, sp_buf_view(&out));
}

sp_code cni_record_parse(sp_str text, sp_arena *a, cni_record *ret, sp_err *err)
{
	yyjson_val *root;
	size_t n;
	SP_TRY(sp_json_parse(a, text, &root, err));
	sp_str coded = sp_json_str(sp_json_last(root, SP_STR("config")));
	char *conf = sp_arena_try_alloc(a, coded.len + 1);
	if (conf == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a network attachment");
	SP_TRY(sp_base64_decode(coded, (uint8_t *)conf, &n, err));
	cni_record out = {.id = sp_json_str(sp_json_last(root, SP_STR("containerId"))),
			  .if_name = sp_json_str(sp_json_last(root, SP_STR("ifName"))),
			  .network = sp_json_str(sp_json_last(root, SP_STR("networkName"))),
			  .conf = {conf, n},
			  .args = read_args(sp_json_last(root, SP_STR("cniArgs")), a),
			  .result = json_of(sp_json_last(root, SP_STR("result")), a)};
	if (!sp_str_eq(sp_json_str(sp_json_last(root, SP_STR("kind"))), SP_STR("cniCacheV1")) ||
	    out.id.len == 0 || out.if_name.len == 0)
		return sp_fail(err, SP_EINVAL, "no record of a network attachment");
	yyjson_val *caps = sp_json_last(root, SP_STR("capabilityArgs"));
	for (size_t i = 0; i < SP_LEN(cap_slots); i++)
		*cap_of(&out.caps, &cap_slots[i]) = json_of(sp_json_last(caps, cap_slots[i].name), a);
	*ret = out;
	return SP_OK;
}

sp_code cni_record_save(sp_world *w, sp_str dir, const cni_record *r, sp_arena *a, sp_err *err)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, RECORD_BYTES);
	SP_TRY(cni_record_write(r, &out, err));
	SP_TRY(sp_dir_make(w, dir, 0700, err));
	return sp_file_replace(w, SP_CONCAT(a, dir, SP_STR("/"), r->id), sp_buf_view(&out), 0600, err);
}

sp_code cni_record_load(sp_world *w, sp_str dir, sp_str id, sp_arena *a, cni_record *ret, sp_err *err)
{
	sp_str text;
	SP_TRY(sp_file_read_arena(w, SP_CONCAT(a, dir, SP_STR("/"), id), a, RECORD_BYTES, &text, err));
	return cni_record_parse(text, a, ret, err);
}

sp_code cni_record_remove(sp_world *w, sp_str dir, sp_str id, sp_arena *a, sp_err *err)
{
	sp_code code = sp_path_unlink(w, SP_CONCAT(a, dir, SP_STR("/"), id), err);
	return code == SP_ENOTFOUND ? SP_OK : code;
}
