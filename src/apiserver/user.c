/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/user.h"

#include "base/url.h"
#include "kube/names.h"

bool api_user_is_in(const api_user *u, sp_str group)
{
	for (size_t i = 0; i < u->n_groups; i++) {
		if (sp_str_eq(u->groups[i], group))
			return true;
	}
	return false;
}

sp_str api_user_extra(const api_user *u, sp_str key)
{
	for (size_t i = 0; i < u->n_extra; i++) {
		if (sp_str_eq(u->extra[i].key, key) && u->extra[i].n == 1)
			return u->extra[i].values[0];
	}
	return (sp_str){NULL, 0};
}

bool api_user_add_group(sp_arena *a, api_user *u, sp_str group)
{
	if (api_user_is_in(u, group))
		return true;
	sp_str *groups = sp_try_new(a, sp_str, u->n_groups + 1);
	if (groups == NULL)
		return false;
	for (size_t i = 0; i < u->n_groups; i++)
		groups[i] = u->groups[i];
	groups[u->n_groups++] = group;
	u->groups = groups;
	return true;
}

sp_str api_extra_key(sp_arena *a, sp_str header, size_t prefix_len)
{
	sp_str key, name = sp_str_sub(header, prefix_len, header.len);
	return sp_url_decode_path(a, name, &key, NULL) == SP_OK ? key : name;
}

bool api_extra_add(sp_arena *a, api_extra *extra, size_t *n, sp_str key, sp_str value)
{
	size_t i = 0;
	while (i < *n && !sp_str_eq(extra[i].key, key))
		i++;
	size_t have = i < *n ? extra[i].n : 0;
	sp_str *values = sp_try_new(a, sp_str, have + 1);
	if (values == NULL || key.ptr == NULL)
		return false;
	for (size_t k = 0; k < have; k++)
		values[k] = extra[i].values[k];
	values[have] = value;
	extra[i] = (api_extra){key, values, have + 1};
	if (i == *n)
		(*n)++;
	return true;
}

bool api_user_settle_groups(sp_arena *a, api_user *u)
{
	if (sp_str_eq(u->name, API_USER_ANONYMOUS) || api_user_is_in(u, API_GROUP_UNAUTHENTICATED))
		return true;
	return api_user_add_group(a, u, API_GROUP_AUTHENTICATED);
}

bool api_user_service_account(sp_str user_name, sp_str *ret_ns, sp_str *ret_name)
{
	sp_str ns;
	if (!sp_str_take(&user_name, SP_STR("system:serviceaccount:")) || !sp_str_cut(&user_name, ':', &ns) ||
	    sp_name_dns1123_label(ns).n > 0 || sp_name_dns1123_subdomain(user_name).n > 0)
		return false;
	*ret_ns = ns;
	*ret_name = user_name;
	return true;
}

bool api_user_of_service_account(sp_arena *a, sp_str ns, sp_str name, sp_str uid, api_user *ret)
{
	sp_str *groups = sp_try_new(a, sp_str, 2);
	sp_str user =
		sp_arena_printf(a, "system:serviceaccount:" SP_FMT ":" SP_FMT, SP_ARG(ns), SP_ARG(name));
	if (groups == NULL || user.ptr == NULL)
		return false;
	groups[0] = SP_STR("system:serviceaccounts");
	groups[1] = sp_arena_printf(a, "system:serviceaccounts:" SP_FMT, SP_ARG(ns));
	*ret = (api_user){.name = user, .uid = uid, .groups = groups, .n_groups = 2};
	return groups[1].ptr != NULL;
}

bool api_user_node_name(sp_str user_name, sp_str *ret_node)
{
	if (!sp_str_take(&user_name, SP_STR("system:node:")))
		return false;
	*ret_node = user_name;
	return user_name.len > 0;
}

bool api_user_is_node(const api_user *u, sp_str *ret_node)
{
	return api_user_is_in(u, API_GROUP_NODES) && api_user_node_name(u->name, ret_node);
}

void api_user_write(sp_jout *j, const api_user *u)
{
	if (u->name.len > 0)
		sp_jout_member_str(j, SP_STR("username"), u->name);
	if (u->uid.len > 0)
		sp_jout_member_str(j, SP_STR("uid"), u->uid);
	if (u->n_groups > 0)
		sp_jout_member_strs(j, SP_STR("groups"), u->groups, u->n_groups);
	if (u->n_extra == 0)
		return;
	sp_jout_member_open(j, SP_STR("extra"), '{');
	for (size_t i = 0; i < u->n_extra; i++)
		sp_jout_member_strs(j, u->extra[i].key, u->extra[i].values, u->extra[i].n);
	sp_jout_close(j, '}');
}
