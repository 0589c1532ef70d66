/**
 * Namespaces that exist only because a client or a command named them. When they are empty and the
 * limit is reached they are removed; namespaces of the application stay.
 */
export const dynamicNamespaces = new WeakSet<object>();
