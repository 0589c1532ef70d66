import { type CodecPlan, measureCodec } from "../codec.ts";
import { serve } from "../rig/rpc.ts";

/**
 * A process of its own for the codec's kernel, so that nothing else shares its heap and compiler.
 */
serve({ measure: (plan: CodecPlan) => measureCodec(plan) });
