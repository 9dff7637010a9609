/* SPDX-License-Identifier: Apache-2.0 */
/* Indexes, manifests, configurations and references of images: the first byte says which. */
#include "runtime/image/manifest.h"
#include "runtime/image/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void document(sp_arena *a, sp_str text)
{
	image_document d;
	const image_platform want = image_platform_or_own(&(image_platform){{NULL, 0}, {NULL, 0}, {NULL, 0}});
	if (image_document_parse(a, text, (sp_str){NULL, 0}, &d, NULL) != SP_OK)
		return;
	if (d.kind == IMAGE_DOCUMENT_INDEX) {
		const image_descriptor *pick = image_index_pick(&d, &want);
		SP_ASSERT(pick == NULL || (pick >= d.entries && pick < d.entries + d.n_entries));
		return;
	}
	SP_ASSERT(image_is_digest(d.config.digest) && d.n_layers <= IMAGE_LAYERS_MAX);
	for (size_t i = 0; i < d.n_layers; i++)
		SP_ASSERT(image_is_digest(d.layers[i].digest));
}

static void config(sp_arena *a, sp_str text)
{
	image_config c;
	sp_strs chain;
	if (image_config_parse(a, text, &c, NULL) != SP_OK ||
	    image_chain_ids(a, &c.diff_ids, &chain, NULL) != SP_OK)
		return;
	for (size_t i = 0; i < chain.n; i++)
		SP_ASSERT(image_is_digest(chain.items[i]));
}

/* The normal form is its own normal form. */
static void reference(sp_arena *a, sp_str text)
{
	image_reference r, again;
	if (image_reference_parse(a, text, &r, NULL) != SP_OK)
		return;
	sp_str normal = image_reference_print(a, &r);
	SP_ASSERT(image_reference_parse(a, normal, &again, NULL) == SP_OK);
	SP_ASSERT(sp_str_eq(normal, image_reference_print(a, &again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const kinds[])(sp_arena * a, sp_str text) = {document, config, reference};
	if (size == 0)
		return 0;
	sp_arena a;
	sp_arena_init(&a, (size_t)4 << 20);
	kinds[data[0] % SP_LEN(kinds)](&a, (sp_str){(const char *)data + 1, size - 1});
	sp_arena_done(&a);
	return 0;
}
