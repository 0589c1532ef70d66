/**
 * Namespaces that exist only because a client or a command named them. They are taken away when
 * they are empty and others need their place; those of the application stay.
 */
export const passing = new WeakSet<object>();
