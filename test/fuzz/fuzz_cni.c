/* SPDX-License-Identifier: Apache-2.0 */
/* CNI: the first byte picks a configuration, a result, a record or an error; what is given to plugins is
 * JSON. */
#include "network/cni/store.h"

#define BYTES ((size_t)8 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void list(sp_str text, sp_arena *a)
{
	cni_list l;
	sp_str one, more;
	cni_list_head head;
	cni_list whole;
	if (cni_list_head_parse(text, a, &head, NULL) == SP_OK &&
	    cni_list_add(text, &text, 1, a, &more, NULL) == SP_OK)
		(void)!cni_list_parse(more, a, &whole, NULL);
	if (cni_list_of_one(text, a, &one, NULL) == SP_OK)
		text = one;
	if (cni_list_parse(text, a, &l, NULL) != SP_OK)
		return;
	const cni_capabilities caps = {.port_mappings = SP_STR("[]"), .dns = SP_STR("{}")};
	const cni_input in = {.list = &l, .caps = &caps, .prev = SP_STR("{}"), .gc = true};
	SP_ASSERT(l.n_plugins > 0 && l.n_plugins <= CNI_PLUGINS_MAX);
	for (size_t i = 0; i < l.n_plugins; i++) {
		SP_AUTO_BUF out;
		yyjson_val *v;
		sp_buf_init(&out, BYTES);
		cni_input_write(&in, i, &out);
		if (sp_buf_code(&out) == SP_OK)
			SP_ASSERT(sp_json_parse(a, sp_buf_view(&out), &v, NULL) == SP_OK);
	}
}

static void result(sp_str text, sp_arena *a)
{
	sp_str *ips;
	size_t n;
	if (cni_result_parse(text, SP_STR("eth0"), a, &ips, &n, NULL) != SP_OK)
		return;
	SP_ASSERT(n <= CNI_IPS_MAX);
	for (size_t i = 0; i < n; i++)
		SP_ASSERT(ips[i].len > 0);
}

static void record(sp_str text, sp_arena *a)
{
	cni_record r, again;
	SP_AUTO_BUF out;
	sp_buf_init(&out, BYTES);
	if (cni_record_parse(text, a, &r, NULL) != SP_OK || cni_record_write(&r, &out, NULL) != SP_OK)
		return;
	SP_ASSERT(cni_record_parse(sp_buf_view(&out), a, &again, NULL) == SP_OK);
	SP_ASSERT(sp_str_eq(r.conf, again.conf) && sp_str_eq(r.id, again.id));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sp_arena a;
	sp_err err;
	if (size < 1)
		return 0;
	sp_str text = {(const char *)data + 1, size - 1};
	sp_arena_init(&a, (size_t)32 << 20);
	switch (data[0] % 4) {
	case 0:
		list(text, &a);
		break;
	case 1:
		result(text, &a);
		break;
	case 2:
		record(text, &a);
		break;
	default:
		(void)cni_failure(SP_STR("x"), "add", text, text, 1, &err);
		break;
	}
	sp_arena_done(&a);
	return 0;
}
