/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses: a label selector, a field selector, a LabelSelector object. What parses prints, and
 * the print parses and prints the same. */
#include "kube/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const sp_label labels[] = {{SP_STR_INIT("a"), SP_STR_INIT("1")}, {SP_STR_INIT("b"), SP_STR_INIT("x")}};
static const sp_field_kind pod = {.version = SP_STR_INIT("v1"), .kind = SP_STR_INIT("Pod")};

static sp_code parse_object(sp_arena *a, sp_str text, sp_selector *ret, sp_str *why)
{
	yyjson_val *object;
	SP_TRY(sp_json_parse(a, text, &object, NULL));
	return sp_labels_of_object(a, object, ret, why);
}

static void again(sp_arena *a, const sp_selector *s, sp_buf *out)
{
	sp_selector t;
	SP_ASSERT(sp_selector_print(out, s) == SP_OK);
	sp_code code = s->of_fields ? sp_fields_parse(a, sp_buf_view(out), &t, NULL)
				    : sp_labels_parse(a, sp_buf_view(out), &t, NULL);
	SP_ASSERT(code == SP_OK);
	SP_ASSERT(t.n == s->n);
	for (size_t i = 0; !s->of_fields && i < s->n; i++)
		SP_ASSERT(sp_str_eq(s->reqs[i].key, t.reqs[i].key) && s->reqs[i].op == t.reqs[i].op);
	SP_ASSERT(s->of_fields || sp_labels_match(s, labels, SP_LEN(labels)) ==
					  (!s->nothing && sp_labels_match(&t, labels, SP_LEN(labels))));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static sp_code (*const parse[])(sp_arena *, sp_str, sp_selector *,
					sp_str *) = {sp_labels_parse, sp_fields_parse, parse_object};
	if (size == 0 || size > 1 << 14)
		return 0;
	sp_arena a;
	sp_buf out;
	sp_selector s;
	sp_str why = SP_STR("");
	sp_arena_init(&a, (size_t)64 << 20);
	sp_buf_init(&out, (size_t)1 << 20);
	sp_code code =
		parse[data[0] % SP_LEN(parse)](&a, (sp_str){(const char *)data + 1, size - 1}, &s, &why);
	if (code == SP_OK) {
		again(&a, &s, &out);
		if (s.of_fields && sp_fields_bind(&a, &pod, &s, &why) == SP_OK)
			(void)sp_fields_match(&s, NULL);
	}
	sp_buf_done(&out);
	sp_arena_done(&a);
	return 0;
}
