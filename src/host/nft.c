/* SPDX-License-Identifier: Apache-2.0 */
#include "host/nft.h"

#include <dlfcn.h>

/* U: nftables/libnftables.h; only its parts that are used here. */
struct nft_ctx;
typedef struct nft_api {
	struct nft_ctx *(*ctx_new)(uint32_t flags);
	void (*ctx_free)(struct nft_ctx *ctx);
	int (*run_cmd_from_buffer)(struct nft_ctx *ctx, const char *buf);
	int (*ctx_buffer_error)(struct nft_ctx *ctx);
	const char *(*ctx_get_error_buffer)(struct nft_ctx *ctx);
} nft_api;

static void *symbol(void *lib, const char *name, bool *ok)
{
	void *at = lib == NULL ? NULL : dlsym(lib, name);
	*ok = *ok && at != NULL;
	return at;
}

/* Stays open for good: one handle per process. */
static sp_code open_api(nft_api *ret, sp_err *err)
{
	bool ok = true;
	void *lib = dlopen("libnftables.so.1", RTLD_NOW | RTLD_LOCAL);
	*(void **)&ret->ctx_new = symbol(lib, "nft_ctx_new", &ok);
	*(void **)&ret->ctx_free = symbol(lib, "nft_ctx_free", &ok);
	*(void **)&ret->run_cmd_from_buffer = symbol(lib, "nft_run_cmd_from_buffer", &ok);
	*(void **)&ret->ctx_buffer_error = symbol(lib, "nft_ctx_buffer_error", &ok);
	*(void **)&ret->ctx_get_error_buffer = symbol(lib, "nft_ctx_get_error_buffer", &ok);
	return ok ? SP_OK
		  : sp_fail(err, SP_EUNSUPPORTED, "nftables needs libnftables.so.1 (Debian: libnftables1)");
}

sp_code host_nft_run(sp_str commands, sp_err *err)
{
	static nft_api api;
	if (api.ctx_new == NULL)
		SP_TRY(open_api(&api, err));
	struct nft_ctx *ctx = api.ctx_new(0);
	if (ctx == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for nftables");
	sp_code code = SP_OK;
	if (api.ctx_buffer_error(ctx) != 0 || api.run_cmd_from_buffer(ctx, commands.ptr) != 0)
		code = sp_fail(err, SP_EINVAL, "nftables: %s", api.ctx_get_error_buffer(ctx));
	api.ctx_free(ctx);
	return code;
}
