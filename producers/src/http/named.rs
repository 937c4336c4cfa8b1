//! Handlers as the table of operations names them: who may call one, its module, and its own name.

/// A handler, its module and its own name. A module in several files may keep a handler in one of them.
macro_rules! named {
    ($access:ident, $module:ident $(::$file:ident)? => $function:ident $(, $other:path)?) => {
        $crate::http::operation::Named {
            module: stringify!($module),
            function: stringify!($function),
            handler: $crate::http::operation::Handler::$access(
                |ports, call| Box::pin($module $(::$file)? ::$function(ports, call)),
                $(|ports, call| Box::pin($other(ports, call)),)?
            ),
        }
    };
}

/// Anybody may call it.
macro_rules! public {
    ($module:ident::$function:ident) => {
        $crate::http::named::named!(Public, $module => $function)
    };
}

/// Whoever has an API key may call it.
macro_rules! key {
    ($module:ident::$function:ident) => {
        $crate::http::named::named!(Key, $module => $function)
    };
    ($module:ident::$file:ident::$function:ident) => {
        $crate::http::named::named!(Key, $module::$file => $function)
    };
}

/// Whoever has an API key may call it, and the administrator, for whom another handler answers.
macro_rules! key_or_administrator {
    ($module:ident::$function:ident, $administrators:path) => {
        $crate::http::named::named!(KeyOrAdministrator, $module => $function, $administrators)
    };
}

/// Whoever has a ticket or an API key may call it; the handler asks for one of them.
macro_rules! ticket {
    ($module:ident::$function:ident) => {
        $crate::http::named::named!(Ticket, $module => $function)
    };
}

pub(crate) use {key, key_or_administrator, named, public, ticket};
